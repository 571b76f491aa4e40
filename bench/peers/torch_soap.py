"""SOAP (Vyas et al. 2024) in PyTorch, from its formulas: a tensor at a time, as the published implementation goes."""

import torch


class Soap:
    """W -= lr sqrt(1-b2^t)/(1-b1^t) Q_L [m / (sqrt(v)+eps)] Q_R^T for matrices, Adam for all else; bases every 2 steps."""

    def __init__(self, leaves, lr, betas, eps=1e-8, every=2):
        self.leaves, self.lr, self.betas, self.eps, self.every = leaves, lr, betas, eps, every
        self.steps = -1
        self.states = [{"m": torch.zeros_like(W), "v": torch.zeros_like(W)} for W in leaves]

    @torch.no_grad()
    def step(self, gradients):
        self.steps += 1
        for W, G, state in zip(self.leaves, gradients, self.states):
            if self.steps == 0:
                self.start(G, state)
            else:
                self.update(W, G, state)

    def start(self, G, state):
        if G.dim() == 2:
            b2 = self.betas[1]
            state["M"] = [(1 - b2) * G @ G.t(), (1 - b2) * G.t() @ G]
            state["Q"] = [torch.linalg.eigh(M)[1].flip(1) for M in state["M"]]

    def update(self, W, G, state):
        b1, b2 = self.betas
        t = self.steps
        matrix = "Q" in state
        if matrix:
            left, right = state["Q"]
            projected = left.t() @ G @ right
        else:
            projected = G
        m, v = state["m"], state["v"]
        m.mul_(b1).add_(projected, alpha=1 - b1)
        v.mul_(b2).addcmul_(projected, projected, value=1 - b2)
        direction = m / (v.sqrt() + self.eps)
        if matrix:
            direction = left @ direction @ right.t()
        W.sub_(direction, alpha=self.lr * (1 - b2**t) ** 0.5 / (1 - b1**t))
        if matrix:
            for M, product in zip(state["M"], (G @ G.t(), G.t() @ G)):
                M.mul_(b2).add_(product, alpha=1 - b2)
            if t % self.every == 0:
                self.refresh(state)

    def refresh(self, state):
        """Columns of Q in falling order of diag(Q^T M Q), v in the same order, Q <- qr(M Q); m turns to the new bases."""
        left, right = state["Q"]
        m = left @ state["m"] @ right.t()
        for side, (M, Q) in enumerate(zip(state["M"], state["Q"])):
            product = M @ Q
            order = torch.argsort((Q * product).sum(0), descending=True)
            state["v"] = state["v"].index_select(side, order)
            state["Q"][side] = torch.linalg.qr(product[:, order])[0]
        left, right = state["Q"]
        state["m"] = left.t() @ m @ right
