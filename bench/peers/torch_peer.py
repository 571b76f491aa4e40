"""PyTorch as a peer of `tapir bench peers`: a gradient of the loss, a step of Adam or SOAP with grad-norm, an ensemble.

The argument is the device, `cpu` or `cuda`; protocol.py says how to talk to it.
"""

import json
import sys

from protocol import answer, blas, missing, serve

try:
    import torch
except Exception as error:
    missing(f"PyTorch does not import: {error}")
try:
    import functorch
except Exception:
    functorch = None

from torch_problem import Problem, by_double_backward, by_jets
from torch_soap import Soap

UPDATE_EVERY, MEMORY = 1000, 0.9
DERIVATIVES = {"double backward": by_double_backward, "jets by hand": by_jets}


def flat(gradient):
    return torch.cat([g.reshape(-1) for g in gradient]).cpu().tolist()


def compiled(problem, leaves):
    """Compiled by what this PyTorch has: torch.compile from 2.0, a trace before."""

    def function(*leaves):
        return problem.losses(list(leaves), by_jets)

    if hasattr(torch, "compile"):
        return torch.compile(function)
    return torch.jit.trace(function, tuple(leaves), check_trace=False)


class Graphed:
    """Losses and gradient of their weighted sum, captured as a CUDA graph at the first call and replayed."""

    def __init__(self, problem, leaves):
        self.problem, self.leaves = problem, leaves
        self.weights, self.graph = None, None

    def compute(self):
        losses = self.problem.losses(self.leaves, by_jets)
        return losses, torch.autograd.grad((self.weights * losses).sum(), self.leaves)

    def capture(self, weights):
        count = len(self.problem.losses(self.leaves, by_jets))
        self.weights = torch.ones(count, dtype=self.leaves[0].dtype, device=self.leaves[0].device) * weights
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.compute()
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.results = self.compute()

    def __call__(self, weights):
        if self.graph is None:
            self.capture(weights)
        self.weights.copy_(torch.as_tensor(weights, device=self.weights.device).expand_as(self.weights))
        self.graph.replay()
        return self.results


def gradients(problem):
    """Variants of one gradient of the sum of the losses."""

    def variant(losses_of):
        leaves = problem.leaves()

        def call(want):
            losses = losses_of(leaves)
            gradient = torch.autograd.grad(losses.sum(), leaves)
            return (losses.tolist(), flat(gradient)) if want else None

        return call

    def trace():
        function = []

        def losses_of(leaves):
            if not function:
                function.append(compiled(problem, leaves))
            return function[0](*leaves)

        return losses_of

    eager = {f"eager, {name}": variant(lambda leaves, f=f: problem.losses(leaves, f)) for name, f in DERIVATIVES.items()}
    how = "torch.compile" if hasattr(torch, "compile") else "torch.jit.trace"
    variants = {**eager, f"{how}, jets by hand": variant(trace())}
    if problem.device == "cuda":
        graphed = Graphed(problem, problem.leaves())

        def replay(want):
            losses, gradient = graphed(1.0)
            return (losses.tolist(), flat(gradient)) if want else None

        variants["CUDA graph, jets by hand"] = replay
    return variants


class Training:
    """Steps with grad-norm: weights of the terms from the norms of their gradients at steps 1, 1001, .."""

    def __init__(self, problem, fields, per_term, optimizer, graphed=False):
        self.problem, self.fields, self.per_term = problem, fields, per_term
        self.leaves = problem.leaves()
        self.graph = Graphed(problem, self.leaves) if graphed else None
        self.optimizer = optimizer(self.leaves)
        self.steps, self.weights = 0, 1.0

    def __call__(self, want):
        due = self.steps % UPDATE_EVERY == 0
        if self.graph and not due:
            losses, gradient = self.graph(self.weights)
            return self.finish(losses, gradient, want)
        losses = self.problem.losses(self.leaves, self.fields)
        if due or self.per_term:
            terms = [self.gradient(loss) for loss in losses]
            if due:
                norms = torch.stack([torch.sqrt(sum((g**2).sum() for g in term)) for term in terms])
                self.weights = MEMORY * self.weights + (1 - MEMORY) * norms.mean() / norms
            gradient = [sum(w * g for w, g in zip(self.weights, parts)) for parts in zip(*terms)]
        else:
            gradient = torch.autograd.grad((self.weights * losses).sum(), self.leaves)
        return self.finish(losses, gradient, want)

    def finish(self, losses, gradient, want):
        self.optimizer.step(gradient)
        self.steps += 1
        return (losses.tolist(), flat(gradient)) if want else None

    def gradient(self, loss):
        parts = torch.autograd.grad(loss, self.leaves, retain_graph=True, allow_unused=True)
        return [torch.zeros_like(leaf) if g is None else g for g, leaf in zip(parts, self.leaves)]


class Adam:
    def __init__(self, leaves, lr):
        self.leaves, self.adam = leaves, torch.optim.Adam(leaves, lr, foreach=True)

    def step(self, gradient):
        for leaf, g in zip(self.leaves, gradient):
            leaf.grad = g
        self.adam.step()


def steps(problem, given):
    """Variants of a whole step of the optimizer that the work names."""
    lr, betas = given["learningRate"], given["betas"]
    if given["work"] == "Adam step":
        optimizer = lambda leaves: Adam(leaves, lr)
        eager = {f"foreach, {name}": Training(problem, f, False, optimizer) for name, f in DERIVATIVES.items()}
        graph = "foreach, gradient as a CUDA graph, jets by hand"
        return {**eager, **with_graph(graph, problem, optimizer)}
    optimizer = lambda leaves: Soap(leaves, lr, betas)
    return {
        "a gradient for each term, double backward": Training(problem, by_double_backward, True, optimizer),
        "one gradient, double backward": Training(problem, by_double_backward, False, optimizer),
        "one gradient, jets by hand": Training(problem, by_jets, False, optimizer),
        **with_graph("one gradient as a CUDA graph, jets by hand", problem, optimizer),
    }


def with_graph(name, problem, optimizer):
    return {name: Training(problem, by_jets, False, optimizer, graphed=True)} if problem.device == "cuda" else {}


class Ensemble:
    """All runs of a stack in one set of tensors, every leaf [R,..], Adam on them with grad-norm for every run."""

    def __init__(self, problem, given, sums):
        runs = given["runs"]
        each = [problem.leaves(run) for run in range(runs)]
        self.leaves = [torch.stack([leaf.detach() for leaf in same]).requires_grad_(True) for same in zip(*each)]
        self.optimizer = Adam(self.leaves, given["learningRate"])
        self.problem, self.sums = problem, sums
        self.steps, self.weights = 0, 1.0

    def __call__(self, want):
        if self.steps % UPDATE_EVERY == 0:
            self.reweigh()
        losses, gradient = self.sums(self.problem, self.leaves, self.weights)
        self.optimizer.step(gradient)
        self.steps += 1
        if not want:
            return None
        half = len(gradient) // 2
        by_net = [torch.cat([g.flatten(1) for g in part], 1) for part in (gradient[:half], gradient[half:])]
        return losses.flatten().tolist(), flat([torch.stack(by_net, 1)])

    def reweigh(self):
        losses = batched_losses(self.problem, self.leaves)
        terms = [torch.autograd.grad(losses[:, k].sum(), self.leaves, retain_graph=True, allow_unused=True) for k in range(3)]
        squares = [[(g**2).flatten(1).sum(1) for g in term if g is not None] for term in terms]
        norms = torch.stack([torch.sqrt(sum(parts)) for parts in squares], 1)
        self.weights = MEMORY * self.weights + (1 - MEMORY) * norms.mean(1, keepdim=True) / norms


def batched_jet(net, x):
    """(u, u_x, u_xx), each [R,N], of networks with leaves [R,..] at x [N,1]: torch.bmm in every layer."""
    R, N = net[0].shape[0], x.shape[0]
    start = torch.cat([2.0 * x - 1.0, torch.full_like(x, 2.0), torch.zeros_like(x)])
    y = start.expand(R, 3 * N, 1)
    for k in range(0, len(net) - 2, 2):
        z = torch.bmm(y, net[k].transpose(1, 2)).reshape(R, 3, N, -1)
        t = torch.tanh(z[:, 0] + net[k + 1][:, None])
        slope = 1.0 - t * t
        y = torch.cat([t, slope * z[:, 1], slope * (z[:, 2] - 2.0 * t * z[:, 1] * z[:, 1])], 1)
    z = torch.bmm(y, net[-2].transpose(1, 2)).reshape(R, 3, N)
    return z[:, 0] + net[-1], z[:, 1], z[:, 2]


def batched_losses(problem, leaves):
    """Losses of thermoelasticity [R,3]."""
    nets, p, row = problem.networks(leaves), problem.p, lambda name: problem.data[name].t()
    x, ends = problem.points["interior"], problem.points["ends"]
    (_, T_x, T_xx), (_, _, u_xx) = (batched_jet(net, x) for net in nets)
    RT = -p["kappa"] * T_xx - row("interior.f_T")
    Ru = -p["E"] * u_xx + p["gamma"] * T_x - row("interior.f_u")
    exact = (row("ends.T_exact"), row("ends.u_exact"))
    at_ends = sum(((batched_jet(net, ends)[0] - e) ** 2).sum(1) for net, e in zip(nets, exact))
    return torch.stack([(RT**2).mean(1), (Ru**2).mean(1), at_ends], 1)


def by_bmm(problem, leaves, weights):
    losses = batched_losses(problem, leaves)
    return losses, torch.autograd.grad((weights * losses).sum(), leaves)


def by_functorch(problem, leaves, weights):
    def total(leaves, weights):
        losses = problem.losses(list(leaves), by_jets)
        return (weights * losses).sum(), losses

    gradient, losses = functorch.vmap(functorch.grad(total, has_aux=True))(tuple(leaves), weights)
    return losses, list(gradient)


def ensembles(problem, given):
    by_hand = {"torch.bmm, foreach, jets by hand": Ensemble(problem, given, by_bmm)}
    if functorch is None:
        return by_hand
    return {**by_hand, "functorch vmap, foreach, jets by hand": Ensemble(problem, given, by_functorch)}


def main():
    given, device = json.loads(sys.stdin.readline()), sys.argv[1]
    if device == "cuda" and not torch.cuda.is_available():
        missing("no CUDA device")
    torch.set_num_threads(given["threads"])
    problem = Problem(given, device)
    if given["work"] == "gradient":
        variants = gradients(problem)
    else:
        variants = ensembles(problem, given) if given["runs"] > 1 else steps(problem, given)
    where = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    answer(name=f"PyTorch {torch.__version__}, {where}", variants=list(variants), blas=blas(torch) if device == "cpu" else None)
    serve(variants, torch.cuda.synchronize if device == "cuda" else lambda: None)


main()
