"""examples/gan.gan in PyTorch: torch_step.py THREADS STEPS [MODE...]

Modes: ftz (denormals to zero), foreach (fused optimizer loops), fused (one kernel an optimizer), compile (torch.compile). Prints one line of JSON: the
median time of a step, the time from the start of the process to the end of the first step, the peak of memory.
"""
import json
import os
import resource
import sys
import time

import torch
from torch import nn

BATCH, NOISE, PIXELS, WIDTH = 64, 100, 784, 256


def started():
    """Seconds since this process was started."""
    ticks = float(open("/proc/self/stat").read().rsplit(")", 1)[1].split()[19])
    return float(open("/proc/uptime").read().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")


def dense(*widths, last, dropout=0.0):
    layers = []
    for a, b in zip(widths, widths[1:-1]):
        layers += [nn.Linear(a, b), nn.LeakyReLU(0.2)] + ([nn.Dropout(dropout)] if dropout else [])
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]), last)


def main():
    threads, steps, modes = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    torch.set_flush_denormal("ftz" in modes)
    G = dense(NOISE, WIDTH, 2 * WIDTH, 4 * WIDTH, PIXELS, last=nn.Tanh())
    D = dense(PIXELS, 4 * WIDTH, 2 * WIDTH, WIDTH, 1, last=nn.Sigmoid(), dropout=0.3)
    how = {"foreach": True} if "foreach" in modes else {"fused": True} if "fused" in modes else {}
    optimizer_G = torch.optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999), **how)
    optimizer_D = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999), **how)
    cross_entropy, real = nn.BCELoss(), torch.rand(BATCH, PIXELS) * 2 - 1
    ones, zeros = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)

    def step():
        fake = G(torch.randn(BATCH, NOISE)).detach()
        loss_D = cross_entropy(D(real), ones) + cross_entropy(D(fake), zeros)
        optimizer_D.zero_grad()
        loss_D.backward()
        optimizer_D.step()
        loss_G = cross_entropy(D(G(torch.randn(BATCH, NOISE))), ones)
        optimizer_G.zero_grad()
        loss_G.backward(inputs=list(G.parameters()))
        optimizer_G.step()
        return loss_D.item() + loss_G.item()

    if "compile" in modes:
        G, D = torch.compile(G), torch.compile(D)
    step()
    first = started()
    for _ in range(10):
        step()
    times = []
    for _ in range(steps):
        before = time.perf_counter()
        step()
        times.append(time.perf_counter() - before)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"name": " ".join(["PyTorch", torch.__version__, *modes]), "ms": 1e3 * sorted(times)[len(times) // 2], "first": first, "memory": memory}))


main()
