"""The first ten updates of SOAP on the golden cases, by PyTorch: what first-updates.test.ts compares with.

    python3 test/optim/first_updates.py > test/optim/first-updates.json

System, points and initial parameters are those of the golden case; all loss terms weigh 1. An update's size is the root
mean square over all elements of all weight matrices, in units of the learning rate. In float32 the null space of a
gradient is filled with rounding, which both moments hold alike, so such an element moves by the learning rate as well:
the first update is larger than in float64.

The bases of a null space are arbitrary and rounding decides them, so every case is run from several starts that differ by a
few roundings: for each update the smallest and the largest size are printed.
"""

import json
import math
import os
import struct
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "..", "bench", "peers"))
import torch
from torch_problem import Problem, by_double_backward
from torch_soap import Soap

UPDATES, STARTS = 10, 8
CASES = {
    "thermoelasticity-small": (1e-3, (0.99, 0.999)),
    "thermoelasticity-full": (1e-3, (0.99, 0.999)),
    "reaction-diffusion-small": (1e-3, (0.99, 0.999)),
    "nernst-planck-poisson-small": (3e-4, (0.95, 0.95)),
    "electroosmotic-flow-small": (3e-4, (0.95, 0.95)),
}


def tensors(path):
    with open(path, "rb") as file:
        raw = file.read()
    (length,) = struct.unpack("<Q", raw[:8])
    found = {}
    for name, entry in json.loads(raw[8 : 8 + length]).items():
        if name != "__metadata__":
            first, last = (8 + length + at for at in entry["data_offsets"])
            found[name] = (entry["shape"], struct.unpack(f"<{(last - first) // 8}d", raw[first:last]))
    return found


def sine(n, shift=0.0):
    return lambda x: math.sin(n * math.pi * x) + shift


def known(system, p, points, given):
    """Points and values that the case does not hold: ends of the interval, sources, solutions there."""
    x, data, at_ends = points["interior"]["x"], {}, {}
    if system == "thermoelasticity":
        T, u, slope = sine(1, 1.0), sine(2), lambda x: math.pi * math.cos(math.pi * x)
        data["interior.f_T"] = [p["kappa"] * math.pi**2 * (T(v) - 1) for v in x]
        data["interior.f_u"] = [4 * p["E"] * math.pi**2 * u(v) + p["gamma"] * slope(v) for v in x]
        at_ends = {"T": T, "u": u}
    if system == "reaction-diffusion":
        A, B, C = sine(1, 2.0), lambda x: math.cos(math.pi * x) + 2, sine(2, 2.0)
        k1, k2, k3, k4 = (p[f"k{k}"] for k in (1, 2, 3, 4))
        bend = math.pi**2
        data["interior.f1"] = [-p["D1"] * bend * (A(v) - 2) - k1 * A(v) + k2 * B(v) for v in x]
        data["interior.f2"] = [-p["D2"] * bend * (B(v) - 2) + k1 * A(v) - (k2 + k3) * B(v) + k4 * C(v) for v in x]
        data["interior.f3"] = [-4 * p["D3"] * bend * (C(v) - 2) + k3 * B(v) - k4 * C(v) for v in x]
        at_ends = {"cA": A, "cB": B, "cC": C}
    if at_ends:
        points["ends"] = {"x": [0.0, 1.0]}
        data.update({f"ends.{name}_exact": [f(v) for v in (0.0, 1.0)] for name, f in at_ends.items()})
    if system == "nernst-planck-poisson":
        points.update(wall={"x": [0.0]}, bulk={"x": [1.0]})
    if system == "electroosmotic-flow":
        phi = list(given["points/side_phi"][1])
        data["side.phi_exact"] = phi
        data["side.cp_exact"] = [math.exp(-v) for v in phi]
        data["side.cm_exact"] = [math.exp(v) for v in phi]
        data["side.u_exact"] = [p["Ex"] * p["epsilon"] ** 2 / p["mu"] * (v - p["zeta"]) for v in phi]
    return data


def problem(name, dtype):
    path = os.path.join(here, "..", "golden", name)
    with open(f"{path}.json") as file:
        case = json.load(file)
    given = tensors(f"{path}.safetensors")
    layers = range(case["network"]["hidden"] + 1)
    theta = [[v for k in layers for part in "Wb" for v in given[f"params/{net}/{part}{k}"][1]] for net in case["nets"]]
    points = {}
    for group in ("interior", "wall", "side"):
        if f"points/{group}" in given:
            (_, D), values = given[f"points/{group}"]
            points[group] = {c: list(values[d::D]) for d, c in enumerate("xy"[:D])}
    data = known(case["system"], case["params"], points, given)
    outputs = [given[f"params/{net}/W{layers[-1]}"][0][0] for net in case["nets"]]
    what = {"system": case["system"], "parameters": case["params"], "theta": theta, "outputs": outputs}
    found = Problem({**what, "points": points, "data": data, **case["network"]}, dtype=dtype)
    losses = found.losses(found.leaves(), by_double_backward)
    for ours, golden in zip(losses.tolist(), case["losses"].values()):
        assert abs(ours - golden) <= (1e-12 if dtype == torch.float64 else 1e-6) * golden, (name, ours, golden)
    return found


def updates(name, loss, dtype, seed):
    lr, betas = CASES[name]
    leaves = loss.leaves()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for leaf in leaves:
            noise = torch.randn(leaf.shape, generator=generator, dtype=torch.float64).to(dtype)
            leaf.mul_(1 + 4 * torch.finfo(dtype).eps * noise)
    soap = Soap(leaves, lr, betas)
    sizes = []
    for _ in range(UPDATES + 1):
        gradient = torch.autograd.grad(loss.losses(leaves, by_double_backward).sum(), leaves)
        before = [leaf.detach().clone() for leaf in leaves]
        soap.step(gradient)
        moves = [leaf.detach() - was for leaf, was in zip(leaves, before) if leaf.dim() == 2]
        sizes.append(torch.cat([move.flatten() for move in moves]).square().mean().sqrt().item() / lr)
    return sizes[1:]


def spread(name, dtype):
    loss = problem(name, dtype)
    runs = [updates(name, loss, dtype, seed) for seed in range(STARTS)]
    return [[round(min(sizes), 4), round(max(sizes), 4)] for sizes in zip(*runs)]


torch.set_num_threads(1)
kinds = {"float64": torch.float64, "float32": torch.float32}
found = {name: {kind: spread(name, dtype) for kind, dtype in kinds.items()} for name in CASES}
print(json.dumps({"by": f"PyTorch {torch.__version__}", "cases": found}))
