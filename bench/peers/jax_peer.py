"""JAX as a peer of `tapir bench peers`: the loss of thermoelasticity and its gradient; protocol.py says how to talk to it."""

import json
import sys

from protocol import answer, missing, serve

try:
    import jax
    import jax.numpy as jnp
    import numpy
except Exception as error:
    missing(f"JAX does not import: {error}")


def unflatten(theta, widths):
    layers, at = [], 0
    for inputs, outputs in zip(widths, widths[1:]):
        W = theta[at : at + outputs * inputs].reshape(outputs, inputs)
        at += outputs * inputs
        layers.append((W, theta[at : at + outputs]))
        at += outputs
    return layers


def network(layers, x):
    """u [N] at x [N]."""
    y = (2.0 * x - 1.0)[:, None]
    for W, b in layers[:-1]:
        y = jnp.tanh(y @ W.T + b)
    W, b = layers[-1]
    return (y @ W.T + b)[:, 0]


def derivatives(layers, x):
    """(u_x, u_xx), forward over forward."""
    ones = jnp.ones_like(x)
    u = lambda x: network(layers, x)
    u_x = lambda x: jax.jvp(u, (x,), (ones,))[1]
    return jax.jvp(u_x, (x,), (ones,))


def main():
    given = json.loads(sys.stdin.readline())
    jax.config.update("jax_default_matmul_precision", "float32")
    widths = [1] + [given["width"]] * given["hidden"] + [1]
    array = lambda values: jnp.asarray(numpy.asarray(values, dtype=numpy.float32))
    thetas = [unflatten(array(theta), widths) for theta in given["theta"]]
    x, ends = array(given["points"]["interior"]["x"]), array(given["points"]["ends"]["x"])
    data = {name: array(values) for name, values in given["data"].items()}
    p = given["parameters"]

    def total(thetas, x, ends, data):
        T, u = thetas
        T_x, T_xx = derivatives(T, x)
        _, u_xx = derivatives(u, x)
        RT = -p["kappa"] * T_xx - data["interior.f_T"]
        Ru = -p["E"] * u_xx + p["gamma"] * T_x - data["interior.f_u"]
        at_ends = (network(T, ends) - data["ends.T_exact"]) ** 2 + (network(u, ends) - data["ends.u_exact"]) ** 2
        losses = jnp.stack([jnp.mean(RT**2), jnp.mean(Ru**2), jnp.sum(at_ends)])
        return jnp.sum(losses), losses

    eager = jax.value_and_grad(total, has_aux=True)
    functions = {"eager": eager, "jit": jax.jit(eager)}
    device = jax.devices()[0]
    answer(name=f"JAX {jax.__version__}, {device.platform} {device.device_kind}", variants=list(functions))
    last = []

    def variant(function):
        def call(want):
            last[:] = [function(thetas, x, ends, data)]
            if not want:
                return None
            (_, losses), gradient = jax.block_until_ready(last[0])
            parts = [leaf.reshape(-1) for net in gradient for layer in net for leaf in layer]
            flat = numpy.concatenate([numpy.asarray(part) for part in parts]).tolist()
            return numpy.asarray(losses).tolist(), flat

        return call

    serve({name: variant(function) for name, function in functions.items()}, lambda: jax.block_until_ready(last))


main()
