"""A model of the benchmarks in PyTorch: torch_step.py MODEL THREADS SECONDS [MODE...]

MODEL: gan (examples/gan.gan: one update of D, one of G), dcgan64 (the same), wgan_gp64 (one update of the critic), unet (one update of G by L1).
Modes: ftz (denormals to zero), cl (channels last), foreach (optimizer loops fused), fused (one kernel an optimizer). Prints one line of JSON.
"""
import sys

import torch
from torch import nn

from step_timing import tell

MODEL, THREADS, SECONDS, MODES = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]
BATCH = 1 if MODEL == "unet" else 64
LAYOUT = {"memory_format": torch.channels_last} if "cl" in MODES else {}


def optimizer(network, lr, beta1, beta2):
    how = {mode: True for mode in ("foreach", "fused") if mode in MODES}
    return torch.optim.Adam(network.parameters(), lr=lr, betas=(beta1, beta2), **how)


# ---- dense layers ----------------------------------------------------------------------------------------------------

def dense(*widths, last, dropout=0.0):
    layers = []
    for a, b in zip(widths, widths[1:-1]):
        layers += [nn.Linear(a, b), nn.LeakyReLU(0.2)] + ([nn.Dropout(dropout)] if dropout else [])
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]), last)


# ---- DCGAN, 64x64 ----------------------------------------------------------------------------------------------------

def dcgan_generator():
    layers, channels = [], [100, 512, 256, 128, 64]
    for number, (a, b) in enumerate(zip(channels, channels[1:])):
        stride, padding = (2, 1) if number else (1, 0)
        layers += [nn.ConvTranspose2d(a, b, 4, stride, padding, bias=False), nn.BatchNorm2d(b), nn.ReLU(True)]
    return nn.Sequential(*layers, nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=False), nn.Tanh())


def dcgan_discriminator(norm):
    layers, channels = [], [3, 64, 128, 256, 512]
    for number, (a, b) in enumerate(zip(channels, channels[1:])):
        layers += [nn.Conv2d(a, b, 4, 2, 1, bias=False)] + ([nn.BatchNorm2d(b)] if norm and number else []) + [nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*layers, nn.Conv2d(512, 1, 4, 1, 0, bias=False), nn.Flatten())


# ---- pix2pix's generator, 256x256 ------------------------------------------------------------------------------------

class Level(nn.Module):
    """What lies below a resolution: down, the rest, up; and past it the input itself."""

    def __init__(self, outside, inside, below, dropout):
        super().__init__()
        down = [nn.LeakyReLU(0.2), nn.Conv2d(outside, inside, 4, 2, 1, bias=below is None)]
        down += [nn.BatchNorm2d(inside), below] if below else []
        up = [nn.ReLU(), nn.ConvTranspose2d(inside * (2 if below else 1), outside, 4, 2, 1, bias=False), nn.BatchNorm2d(outside)]
        self.whole = nn.Sequential(*down, *up, *([nn.Dropout(0.5)] if dropout else []))

    def forward(self, x):
        return torch.cat([x, self.whole(x)], 1)


def unet():
    level = None
    for outside, inside, dropout in [(512, 512, False)] + 3 * [(512, 512, True)] + [(256, 512, False), (128, 256, False), (64, 128, False)]:
        level = Level(outside, inside, level, dropout)
    return nn.Sequential(nn.Conv2d(3, 64, 4, 2, 1), level, nn.ReLU(), nn.ConvTranspose2d(128, 3, 4, 2, 1), nn.Tanh())


# ---- steps -----------------------------------------------------------------------------------------------------------

def backward(optimizer, loss, network):
    optimizer.zero_grad()
    loss.backward(inputs=list(network.parameters()))
    optimizer.step()
    return loss.item()


def gan_step(G, D, real, noise):
    optimizer_G, optimizer_D = optimizer(G, 2e-4, 0.5, 0.999), optimizer(D, 2e-4, 0.5, 0.999)
    softplus = nn.functional.softplus

    def step(_):
        fake = G(noise()).detach()
        backward(optimizer_D, softplus(-D(real)).mean() + softplus(D(fake)).mean(), D)
        backward(optimizer_G, softplus(-D(G(noise()))).mean(), G)

    return step


def critic_step(G, D, real, noise):
    optimizer_D = optimizer(D, 1e-4, 0.0, 0.9)

    def step(_):
        with torch.no_grad():
            fake = G(noise())
        mix = torch.rand(BATCH, 1, 1, 1)
        between = (mix * real + (1 - mix) * fake).requires_grad_(True)
        slope, = torch.autograd.grad(D(between).sum(), between, create_graph=True)
        penalty = ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
        backward(optimizer_D, D(fake).mean() - D(real).mean() + 10 * penalty, D)

    return step


def unet_step(G, source, target):
    optimizer_G = optimizer(G, 2e-4, 0.5, 0.999)
    return lambda _: backward(optimizer_G, (G(source) - target).abs().mean(), G)


def pictures(size):
    return (torch.rand(BATCH, 3, size, size) * 2 - 1).contiguous(**LAYOUT)


def make_step():
    if MODEL == "gan":
        G, D = dense(100, 256, 512, 1024, 784, last=nn.Tanh()), dense(784, 1024, 512, 256, 1, last=nn.Identity(), dropout=0.3)
        return gan_step(G, D, torch.rand(BATCH, 784) * 2 - 1, lambda: torch.randn(BATCH, 100))
    if MODEL in ("dcgan64", "wgan_gp64"):
        G, D = dcgan_generator().to(**LAYOUT), dcgan_discriminator(MODEL == "dcgan64").to(**LAYOUT)
        kind = gan_step if MODEL == "dcgan64" else critic_step
        return kind(G, D, pictures(64), lambda: torch.randn(BATCH, 100, 1, 1))
    if MODEL == "unet":
        return unet_step(unet().to(**LAYOUT), pictures(256), pictures(256))
    sys.exit(f"torch_step.py: no model is called {MODEL}")


torch.set_num_threads(THREADS)
torch.manual_seed(0)
torch.set_flush_denormal("ftz" in MODES)
tell(" ".join(["PyTorch", torch.__version__, *MODES]), make_step(), SECONDS)
