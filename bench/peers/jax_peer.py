"""JAX as a peer of `tapir bench peers`; the protocol is that of torch_peer.py."""

import json
import sys
import time

answers, sys.stdout = sys.stdout, sys.stderr


def answer(**what):
    answers.write(json.dumps(what) + "\n")
    answers.flush()


try:
    import jax
    import jax.numpy as jnp
    import numpy
except Exception as error:
    answer(missing=f"JAX does not import: {error}")
    sys.exit(0)


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
    x, ends = array(given["points"]["interior"]), array(given["points"]["ends"])
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
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            start = time.perf_counter_ns()
            function = functions[asked.get("check") or asked["time"]]
            for _ in range(asked.get("calls", 1)):
                result = function(thetas, x, ends, data)
            (_, losses), gradient = jax.block_until_ready(result)
            ns = time.perf_counter_ns() - start
            if "check" in asked:
                parts = [leaf.reshape(-1) for net in gradient for layer in net for leaf in layer]
                flat = numpy.concatenate([numpy.asarray(part) for part in parts]).tolist()
                answer(losses=numpy.asarray(losses).tolist(), gradient=flat, firstNs=ns)
            else:
                answer(ns=ns / asked["calls"])
        except Exception as error:
            answer(failed=f"{type(error).__name__}: {error}".split("\n")[0])


main()
