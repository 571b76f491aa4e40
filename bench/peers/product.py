"""The product of two square float32 matrices by cuBLAS, through PyTorch, TF32 off: `product.py SIZE` prints one JSON line.

The result is held against float64 before it is timed, by CUDA events, medians of many products.
"""

import json
import sys


def main():
    size = int(sys.argv[1])
    try:
        import torch
    except Exception as error:
        return {"absent": f"PyTorch does not import: {error}"}
    if not torch.cuda.is_available():
        return {"absent": "no CUDA device"}
    torch.backends.cuda.matmul.allow_tf32 = False
    a, b = (torch.rand(size, size, device="cuda") * 2 - 1 for _ in range(2))
    exact = a.double() @ b.double()
    error = ((a @ b).double() - exact).norm() / exact.norm()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    times = []
    for _ in range(60):
        start.record()
        a @ b
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    ms = sorted(times[10:])[25]
    return {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "size": size,
        "error": float(error),
        "ms": ms,
        "gflops": 2 * size**3 / ms / 1e6,
    }


print(json.dumps(main()))
