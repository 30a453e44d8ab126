"""A model of the benchmarks in JAX: jax_step.py MODEL SECONDS (threads: run it under taskset)

MODEL: as for torch_step.py. One compiled function makes a whole step, with Adam written out, pictures with channels last: JAX at its best.
"""
import sys

import jax
import jax.numpy as jnp
from jax import lax

from step_timing import tell

MODEL, SECONDS = sys.argv[1], float(sys.argv[2])
BATCH = 1 if MODEL == "unet" else 64


def leaky(x):
    return jnp.where(x > 0, x, 0.2 * x)


def adam(state, gradient, t, rate, beta1, beta2):
    weights, m, v = state
    m = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, m, gradient)
    v = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, v, gradient)
    c = jnp.sqrt(1 - beta2**t) / (1 - beta1**t)
    return jax.tree.map(lambda w, m, v: w - rate * c * m / (jnp.sqrt(v) + 1e-8), weights, m, v), m, v


def with_moments(weights):
    zeros = lambda: jax.tree.map(jnp.zeros_like, weights)
    return weights, zeros(), zeros()


# ---- dense layers ----------------------------------------------------------------------------------------------------

def dense(key, *widths):
    keys = jax.random.split(key, len(widths))
    return [(jax.random.uniform(k, (a, b), minval=-(a**-0.5), maxval=a**-0.5), jnp.zeros(b)) for k, a, b in zip(keys, widths, widths[1:])]


def dense_generate(weights, z, key):
    for w, b in weights[:-1]:
        z = leaky(z @ w + b)
    return jnp.tanh(z @ weights[-1][0] + weights[-1][1])


def dense_judge(weights, x, key):
    for number, (w, b) in enumerate(weights[:-1]):
        x = leaky(x @ w + b)
        x = jnp.where(jax.random.bernoulli(jax.random.fold_in(key, number), 0.7, x.shape), x / 0.7, 0)
    return x @ weights[-1][0] + weights[-1][1]


# ---- convolutions: x[B, H, W, C], W[4, 4, in, out] -------------------------------------------------------------------

LAYOUT = ("NHWC", "HWIO", "NHWC")


def convolve(x, w, stride, padding):
    return lax.conv_general_dilated(x, w, (stride, stride), 2 * ((padding, padding),), dimension_numbers=LAYOUT)


def convolve_transposed(x, w, stride, padding):
    around = 2 * ((3 - padding, 3 - padding),)
    return lax.conv_general_dilated(x, w, (1, 1), around, lhs_dilation=(stride, stride), dimension_numbers=LAYOUT)


def normalize(x, scale, shift):
    mean = x.mean((0, 1, 2))
    return (x - mean) * lax.rsqrt(((x - mean) ** 2).mean((0, 1, 2)) + 1e-5) * scale + shift


def windows(key, channels):
    return [0.02 * jax.random.normal(jax.random.fold_in(key, k), (4, 4, a, b)) for k, (a, b) in enumerate(channels)]


def norms(channels):
    return [(jnp.ones(c), jnp.zeros(c)) for c in channels]


def dcgan_generate(weights, z, key):
    x = z.reshape(BATCH, 1, 1, 100)
    for number, (w, norm) in enumerate(zip(weights["w"], weights["norm"])):
        x = jax.nn.relu(normalize(convolve_transposed(x, w, *((2, 1) if number else (1, 0))), *norm))
    return jnp.tanh(convolve_transposed(x, weights["w"][-1], 2, 1))


def dcgan_judge(weights, x, key):
    for number, w in enumerate(weights["w"][:-1]):
        x = convolve(x, w, 2, 1)
        x = leaky(normalize(x, *weights["norm"][number - 1]) if weights["norm"] and number else x)
    return convolve(x, weights["w"][-1], 1, 0).reshape(BATCH)


def dcgan(key, norm):
    down, up = [3, 64, 128, 256, 512, 1], [100, 512, 256, 128, 64, 3]
    G = {"w": windows(key, zip(up, up[1:])), "norm": norms(up[1:-1])}
    return G, {"w": windows(key, zip(down, down[1:])), "norm": norms(down[2:-1]) if norm else []}


# ---- pix2pix's generator ---------------------------------------------------------------------------------------------

DOWN = [3, 64, 128, 256, 512, 512, 512, 512, 512]
UP = [(512, 512), (1024, 512), (1024, 512), (1024, 512), (1024, 256), (512, 128), (256, 64), (128, 3)]


def unet(key):
    return {"down": windows(key, zip(DOWN, DOWN[1:])), "down_norm": norms(DOWN[2:-1]), "up": windows(key, UP),
            "up_norm": norms(b for _, b in UP[:-1]), "bias": (jnp.zeros(64), jnp.zeros(512), jnp.zeros(3))}


def unet_generate(weights, x, key):
    kept, last = [], len(weights["down"]) - 1
    for number, w in enumerate(weights["down"]):
        x = convolve(leaky(x) if number else x, w, 2, 1)
        if number in (0, last):
            x = x + weights["bias"][number > 0]
        else:
            x = normalize(x, *weights["down_norm"][number - 1])
        kept.append(x)
    x = kept.pop()
    for number, (w, norm) in enumerate(zip(weights["up"], weights["up_norm"])):
        x = normalize(convolve_transposed(jax.nn.relu(x), w, 2, 1), *norm)
        if 1 <= number <= 3:
            x = jnp.where(jax.random.bernoulli(jax.random.fold_in(key, number), 0.5, x.shape), 2 * x, 0)
        x = jnp.concatenate([kept.pop(), x], 3)
    return jnp.tanh(convolve_transposed(jax.nn.relu(x), weights["up"][-1], 2, 1) + weights["bias"][2])


# ---- steps -----------------------------------------------------------------------------------------------------------

def gan_step(generate, judge, real):
    softplus = jax.nn.softplus

    def step(state, key):
        G, D, t = state
        keys = jax.random.split(key, 5)
        fake = generate(G[0], jax.random.normal(keys[0], (BATCH, 100)), None)
        gradient = jax.grad(lambda w: softplus(-judge(w, real, keys[1])).mean() + softplus(judge(w, fake, keys[2])).mean())(D[0])
        D = adam(D, gradient, t + 1, 2e-4, 0.5, 0.999)
        z = jax.random.normal(keys[3], (BATCH, 100))
        loss, gradient = jax.value_and_grad(lambda w: softplus(-judge(D[0], generate(w, z, None), keys[4])).mean())(G[0])
        return (adam(G, gradient, t + 1, 2e-4, 0.5, 0.999), D, t + 1), loss

    return step


def critic_step(generate, judge, real):
    def step(state, key):
        G, D, t = state
        keys = jax.random.split(key)
        fake = generate(G[0], jax.random.normal(keys[0], (BATCH, 100)), None)
        mix = jax.random.uniform(keys[1], (BATCH, 1, 1, 1))
        between = mix * real + (1 - mix) * fake

        def loss(w):
            slope = jax.grad(lambda x: judge(w, x, None).sum())(between)
            lengths = jnp.sqrt((slope.reshape(BATCH, -1) ** 2).sum(1))
            return judge(w, fake, None).mean() - judge(w, real, None).mean() + 10 * ((lengths - 1) ** 2).mean()

        value, gradient = jax.value_and_grad(loss)(D[0])
        return (G, adam(D, gradient, t + 1, 1e-4, 0.0, 0.9), t + 1), value

    return step


def unet_step(generate, source, target):
    def step(state, key):
        G, D, t = state
        loss, gradient = jax.value_and_grad(lambda w: jnp.abs(generate(w, source, key) - target).mean())(G[0])
        return (adam(G, gradient, t + 1, 2e-4, 0.5, 0.999), D, t + 1), loss

    return step


def make_step(key):
    pictures = lambda number, *shape: jax.random.uniform(jax.random.fold_in(key, number), (BATCH, *shape), minval=-1, maxval=1)
    if MODEL == "gan":
        G, D = dense(key, 100, 256, 512, 1024, 784), dense(key, 784, 1024, 512, 256, 1)
        return G, D, gan_step(dense_generate, dense_judge, pictures(0, 784))
    if MODEL in ("dcgan64", "wgan_gp64"):
        kind = gan_step if MODEL == "dcgan64" else critic_step
        return *dcgan(key, MODEL == "dcgan64"), kind(dcgan_generate, dcgan_judge, pictures(0, 64, 64, 3))
    if MODEL == "unet":
        return unet(key), [], unet_step(unet_generate, pictures(0, 256, 256, 3), pictures(1, 256, 256, 3))
    sys.exit(f"jax_step.py: no model is called {MODEL}")


def main():
    key = jax.random.PRNGKey(0)
    G, D, step = make_step(key)
    held, compiled = [(with_moments(G), with_moments(D), jnp.float32(0))], jax.jit(step, donate_argnums=0)

    def run(number):
        held[0], loss = compiled(held[0], jax.random.fold_in(key, number))
        loss.block_until_ready()

    tell(f"JAX {jax.__version__}", run, SECONDS)


main()
