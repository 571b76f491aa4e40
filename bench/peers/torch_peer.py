"""PyTorch as a peer of `tapir bench peers`: the loss of thermoelasticity and its gradient.

Reads one JSON document per line on stdin, answers one per line on stdout. The first describes the problem; the answer
names the variants. Then {"check": variant} -> losses and gradient, {"time": variant, "calls": n} -> nanoseconds a call.
"""

import json
import sys
import time

answers, sys.stdout = sys.stdout, sys.stderr


def answer(**what):
    answers.write(json.dumps(what) + "\n")
    answers.flush()


try:
    import torch
except Exception as error:
    answer(missing=f"PyTorch does not import: {error}")
    sys.exit(0)


class Problem:
    """Parameters as leaves, one list [W, b, W, b, ..] per network; points and data as columns."""

    def __init__(self, given, device):
        column = lambda values: torch.tensor(values, dtype=torch.float32, device=device).reshape(-1, 1)
        shapes = []
        widths = [1] + [given["width"]] * given["hidden"] + [1]
        for inputs, outputs in zip(widths, widths[1:]):
            shapes += [(outputs, inputs), (outputs,)]
        self.nets = []
        for theta in given["theta"]:
            flat, at, net = torch.tensor(theta, dtype=torch.float32, device=device), 0, []
            for shape in shapes:
                size = 1
                for extent in shape:
                    size *= extent
                net.append(flat[at : at + size].reshape(shape).clone().requires_grad_(True))
                at += size
            self.nets.append(net)
        self.leaves = [leaf for net in self.nets for leaf in net]
        self.x = column(given["points"]["interior"]).requires_grad_(True)
        self.ends = column(given["points"]["ends"])
        self.data = {name: column(values) for name, values in given["data"].items()}
        self.p = given["parameters"]


def value(net, x):
    y = 2.0 * x - 1.0
    for k in range(0, len(net) - 2, 2):
        y = torch.tanh(torch.nn.functional.linear(y, net[k], net[k + 1]))
    return torch.nn.functional.linear(y, net[-2], net[-1])


def by_double_backward(net, x):
    """(u, u_x, u_xx) as PyTorch's users write it."""
    u = value(net, x)
    (u_x,) = torch.autograd.grad(u, x, torch.ones_like(u), create_graph=True)
    (u_xx,) = torch.autograd.grad(u_x, x, torch.ones_like(u_x), create_graph=True)
    return u, u_x, u_xx


def by_jets(net, x):
    """(u, u_x, u_xx) forward, three channels through every layer."""
    y = torch.stack([2.0 * x - 1.0, torch.full_like(x, 2.0), torch.zeros_like(x)])
    for k in range(0, len(net) - 2, 2):
        z = torch.matmul(y, net[k].t())
        t = torch.tanh(z[0] + net[k + 1])
        slope = 1.0 - t * t
        y = torch.stack([t, slope * z[1], slope * (z[2] - 2.0 * t * z[1] * z[1])])
    z = torch.matmul(y, net[-2].t())
    return z[0] + net[-1], z[1], z[2]


def losses_of(problem, leaves, derivatives):
    half = len(leaves) // 2
    T, u = leaves[:half], leaves[half:]
    p, d, x = problem.p, problem.data, problem.x
    _, T_x, T_xx = derivatives(T, x)
    _, _, u_xx = derivatives(u, x)
    RT = -p["kappa"] * T_xx - d["interior.f_T"]
    Ru = -p["E"] * u_xx + p["gamma"] * T_x - d["interior.f_u"]
    ends = (value(T, problem.ends) - d["ends.T_exact"]) ** 2 + (value(u, problem.ends) - d["ends.u_exact"]) ** 2
    return torch.stack([(RT**2).mean(), (Ru**2).mean(), ends.sum()])


def compiled(problem):
    """Compiled by what this PyTorch has: torch.compile from 2.0, a trace before."""
    detached = Detached(problem)

    def function(*leaves):
        return losses_of(detached, list(leaves), by_jets)

    if hasattr(torch, "compile"):
        return torch.compile(function)
    return torch.jit.trace(function, tuple(problem.leaves), check_trace=False)


class Detached:
    def __init__(self, problem):
        self.p, self.data, self.ends, self.x = problem.p, problem.data, problem.ends, problem.x.detach()


def main():
    given = json.loads(sys.stdin.readline())
    cores = given["cores"]
    devices = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])
    how = "torch.compile" if hasattr(torch, "compile") else "torch.jit.trace"
    variants = {}
    for device in devices:
        for form in ("eager, double backward", "eager, jets by hand", f"{how}, jets by hand"):
            if device == "cpu":
                for threads in sorted({1, cores}):
                    variants[f"CPU {threads} thread{'s' if threads > 1 else ''}, {form}"] = (device, form, threads)
            else:
                variants[f"{torch.cuda.get_device_name()}, {form}"] = (device, form, 1)
    answer(name=f"PyTorch {torch.__version__}", variants=list(variants))
    problems, functions = {}, {}

    def evaluate(variant):
        device, form, threads = variants[variant]
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        if device not in problems:
            problems[device] = Problem(given, device)
        problem = problems[device]
        if form.startswith("eager"):
            losses = losses_of(problem, problem.leaves, by_jets if "jets" in form else by_double_backward)
        else:
            if variant not in functions:
                functions[variant] = compiled(problem)
            losses = functions[variant](*problem.leaves)
        return losses, torch.autograd.grad(losses.sum(), problem.leaves), device

    for line in sys.stdin:
        asked = json.loads(line)
        try:
            start = time.perf_counter_ns()
            if "check" in asked:
                losses, gradient, _ = evaluate(asked["check"])
                flat = torch.cat([g.reshape(-1) for g in gradient]).cpu().tolist()
                answer(losses=losses.detach().cpu().tolist(), gradient=flat, firstNs=time.perf_counter_ns() - start)
                continue
            for _ in range(asked["calls"]):
                losses, gradient, device = evaluate(asked["time"])
            if device == "cuda":
                torch.cuda.synchronize()
            answer(ns=(time.perf_counter_ns() - start) / asked["calls"])
        except Exception as error:
            answer(failed=f"{type(error).__name__}: {error}".split("\n")[0])


main()
