"""The losses of the systems in PyTorch, for `torch_peer.py`: written as its users write them, and with jets by hand."""

import torch


class Problem:
    """Parameters as leaves, one list [W, b, W, b, ..] per network, and what does not change: points [N,D], data [N,1]."""

    def __init__(self, given, device="cpu", dtype=torch.float32):
        self.device = device
        self.tensor = lambda values: torch.tensor(values, dtype=dtype, device=device)
        self.columns = lambda values: self.tensor(values).t().contiguous()
        self.system, self.p = given["system"], given["parameters"]
        self.points = {group: self.columns(list(at.values())) for group, at in given["points"].items()}
        self.data = {name: self.columns([values]) for name, values in given["data"].items()}
        inputs, hidden, width = len(given["points"]["interior"]), given["hidden"], given["width"]
        self.extents = []
        for outputs in given["outputs"]:
            widths = [inputs] + [width] * hidden + [outputs]
            self.extents.append([s for i, o in zip(widths, widths[1:]) for s in ((o, i), (o,))])
        self.theta = given["theta"]

    def leaves(self, run=0):
        """Parameters of a run, of all networks in one list."""
        count = len(self.extents)
        return [leaf for net in range(count) for leaf in self.unflatten(net, self.theta[run * count + net])]

    def unflatten(self, net, theta):
        sizes = [torch.Size(shape).numel() for shape in self.extents[net]]
        parts = self.tensor(theta).split(sizes)
        return [part.reshape(shape).clone().requires_grad_(True) for part, shape in zip(parts, self.extents[net])]

    def networks(self, leaves):
        at, nets = 0, []
        for shapes in self.extents:
            nets.append(leaves[at : at + len(shapes)])
            at += len(shapes)
        return nets

    def losses(self, leaves, fields):
        """The K loss terms [K]; `fields(net, x)` gives value, first derivatives and Laplacian of each output."""
        nets = self.networks(leaves)
        return torch.stack(SYSTEMS[self.system](nets, fields, self.points, self.data, self.p))


def value(net, x):
    """Outputs [N,O] at x [N,D]."""
    y = 2.0 * x - 1.0
    for k in range(0, len(net) - 2, 2):
        y = torch.tanh(torch.nn.functional.linear(y, net[k], net[k + 1]))
    return torch.nn.functional.linear(y, net[-2], net[-1])


class Field:
    """One output [N,1] and its derivatives by reverse over reverse, the second ones where they are asked for."""

    def __init__(self, u, x):
        self.u, self.x = u, x
        (self.slope,) = torch.autograd.grad(u, x, torch.ones_like(u), create_graph=True)
        self.first = self.slope.split(1, 1)

    @property
    def laplacian(self):
        parts = []
        for d, slope in enumerate(self.first):
            (second,) = torch.autograd.grad(slope, self.x, torch.ones_like(slope), create_graph=True)
            parts.append(second[:, d : d + 1])
        return sum(parts)


class Jet:
    def __init__(self, u, first, laplacian):
        self.u, self.first, self.laplacian = u, first, laplacian


def by_double_backward(net, x):
    """As PyTorch's users write it."""
    x = x.detach().requires_grad_(True)
    return [Field(u, x) for u in value(net, x).split(1, 1)]


def by_jets(net, x):
    """Forward: value, D first derivatives and the Laplacian, channels of one product through every layer."""
    D = x.shape[1]
    axes = [torch.zeros_like(x) for _ in range(D)]
    for d, axis in enumerate(axes):
        axis[:, d] = 2.0
    y = torch.stack([2.0 * x - 1.0, *axes, torch.zeros_like(x)])
    for k in range(0, len(net) - 2, 2):
        z = torch.matmul(y, net[k].t())
        t = torch.tanh(z[0] + net[k + 1])
        slope = 1.0 - t * t
        first = z[1:-1]
        bend = z[-1] - 2.0 * t * (first * first).sum(0)
        y = torch.cat([t[None], slope * first, (slope * bend)[None]])
    z = torch.matmul(y, net[-2].t())
    channels = [(z[0] + net[-1]).split(1, 1), *(part.split(1, 1) for part in z[1:])]
    return [Jet(c[0], c[1:-1], c[-1]) for c in zip(*channels)]


def thermoelasticity(nets, fields, points, data, p):
    (T,), (u,) = (fields(net, points["interior"]) for net in nets)
    RT = -p["kappa"] * T.laplacian - data["interior.f_T"]
    Ru = -p["E"] * u.laplacian + p["gamma"] * T.first[0] - data["interior.f_u"]
    exact = (data["ends.T_exact"], data["ends.u_exact"])
    ends = sum(((value(net, points["ends"]) - e) ** 2).sum() for net, e in zip(nets, exact))
    return [(RT**2).mean(), (Ru**2).mean(), ends]


def reaction_diffusion(nets, fields, points, data, p):
    (A,), (B,), (C,) = (fields(net, points["interior"]) for net in nets)
    f1, f2, f3 = (data[f"interior.f{k}"] for k in (1, 2, 3))
    R1 = p["D1"] * A.laplacian - p["k1"] * A.u + p["k2"] * B.u - f1
    R2 = p["D2"] * B.laplacian + p["k1"] * A.u - (p["k2"] + p["k3"]) * B.u + p["k4"] * C.u - f2
    R3 = p["D3"] * C.laplacian + p["k3"] * B.u - p["k4"] * C.u - f3
    exact = (data[f"ends.{name}_exact"] for name in ("cA", "cB", "cC"))
    ends = sum(((value(net, points["ends"]) - e) ** 2).sum() for net, e in zip(nets, exact))
    return [*((r**2).mean() for r in (R1, R2, R3)), ends]


def nernst_planck_poisson(nets, fields, points, data, p):
    (cp,), (cm,), (phi,) = (fields(net, points["interior"]) for net in nets)
    slope, bend = phi.first[0], phi.laplacian
    plus = cp.laplacian + cp.first[0] * slope + cp.u * bend
    minus = cm.laplacian - cm.first[0] * slope - cm.u * bend
    poisson = p["epsilon"] ** 2 * bend + cp.u - cm.u
    zeta = slope.new_full((), p["zeta"])
    wanted = {"wall": (torch.exp(-zeta), torch.exp(zeta), zeta), "bulk": (1.0, 1.0, 0.0)}
    at_ends = sum(
        ((value(net, points[group]) - exact) ** 2).sum() for group, all in wanted.items() for net, exact in zip(nets, all)
    )
    return [*((r**2).mean() for r in (plus, minus, poisson)), at_ends]


def electroosmotic_flow(nets, fields, points, data, p):
    (phi,), (cp,), (cm,), (u, v, q) = (fields(net, points["interior"]) for net in nets)
    dot = lambda a, b: sum(x * y for x, y in zip(a.first, b.first))
    lap = phi.laplacian
    residuals = [
        p["epsilon"] ** 2 * lap + cp.u - cm.u,
        cp.laplacian + dot(cp, phi) + cp.u * lap,
        cm.laplacian - dot(cm, phi) - cm.u * lap,
        -q.first[0] + p["mu"] * u.laplacian + p["Ex"] * (cp.u - cm.u),
        -q.first[1] + p["mu"] * v.laplacian,
        u.first[0] + v.first[1],
    ]
    zeta = lap.new_full((), p["zeta"])
    wall = torch.cat([value(net, points["wall"]) for net in nets], 1)
    side = torch.cat([value(net, points["side"]) for net in nets], 1)
    at_walls = torch.stack([zeta, torch.exp(-zeta), torch.exp(zeta), 0 * zeta, 0 * zeta])
    known = [data[f"side.{name}_exact"] for name in ("phi", "cp", "cm", "u")]
    at_sides = torch.cat([*known, torch.zeros_like(side[:, :2])], 1)
    edges = ((wall[:, :5] - at_walls) ** 2).mean(0).sum() + ((side - at_sides) ** 2).mean(0).sum()
    return [*((r**2).mean() for r in residuals), edges]


SYSTEMS = {
    "thermoelasticity": thermoelasticity,
    "reaction-diffusion": reaction_diffusion,
    "nernst-planck-poisson": nernst_planck_poisson,
    "electroosmotic-flow": electroosmotic_flow,
}
