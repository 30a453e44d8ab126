"""examples/gan.gan in JAX: jax_step.py STEPS (threads: run it under taskset)

One compiled function makes a whole step, both updates, with Adam written out: JAX at its best. Prints the same line of JSON as torch_step.py.
"""
import json
import os
import resource
import sys
import time

import jax
import jax.numpy as jnp

BATCH, NOISE, PIXELS, WIDTH = 64, 100, 784, 256


def started():
    ticks = float(open("/proc/self/stat").read().rsplit(")", 1)[1].split()[19])
    return float(open("/proc/uptime").read().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")


def dense(key, *widths):
    keys = jax.random.split(key, len(widths))
    return [(jax.random.uniform(k, (a, b), minval=-(a**-0.5), maxval=a**-0.5), jnp.zeros(b)) for k, a, b in zip(keys, widths, widths[1:])]


def leaky(x):
    return jnp.where(x > 0, x, 0.2 * x)


def generate(weights, z):
    for w, b in weights[:-1]:
        z = leaky(z @ w + b)
    return jnp.tanh(z @ weights[-1][0] + weights[-1][1])


def logit(weights, x, key):
    for number, (w, b) in enumerate(weights[:-1]):
        x = leaky(x @ w + b)
        x = jnp.where(jax.random.bernoulli(jax.random.fold_in(key, number), 0.7, x.shape), x / 0.7, 0)
    return x @ weights[-1][0] + weights[-1][1]


def adam(state, gradient, t, rate=2e-4, beta1=0.5, beta2=0.999):
    weights, m, v = state
    m = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, m, gradient)
    v = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, v, gradient)
    c = jnp.sqrt(1 - beta2**t) / (1 - beta1**t)
    return jax.tree.map(lambda w, m, v: w - rate * c * m / (jnp.sqrt(v) + 1e-8), weights, m, v), m, v


def step(G, D, t, real, key):
    keys = jax.random.split(key, 5)
    t = t + 1
    fake = generate(G[0], jax.random.normal(keys[0], (BATCH, NOISE)))
    loss_D, gradient = jax.value_and_grad(
        lambda w: jax.nn.softplus(-logit(w, real, keys[1])).mean() + jax.nn.softplus(logit(w, fake, keys[2])).mean())(D[0])
    D = adam(D, gradient, t)
    z = jax.random.normal(keys[3], (BATCH, NOISE))
    loss_G, gradient = jax.value_and_grad(lambda w: jax.nn.softplus(-logit(D[0], generate(w, z), keys[4])).mean())(G[0])
    return adam(G, gradient, t), D, t, loss_D + loss_G


def main():
    steps, key = int(sys.argv[1]), jax.random.PRNGKey(0)
    zeros = lambda weights: jax.tree.map(jnp.zeros_like, weights)
    weights_G = dense(key, NOISE, WIDTH, 2 * WIDTH, 4 * WIDTH, PIXELS)
    weights_D = dense(key, PIXELS, 4 * WIDTH, 2 * WIDTH, WIDTH, 1)
    G, D = (weights_G, zeros(weights_G), zeros(weights_G)), (weights_D, zeros(weights_D), zeros(weights_D))
    real, t = jax.random.uniform(key, (BATCH, PIXELS), minval=-1, maxval=1), jnp.float32(0)
    compiled = jax.jit(step, donate_argnums=(0, 1, 2))
    G, D, t, loss = compiled(G, D, t, real, key)
    loss.block_until_ready()
    first, times = started(), []
    for number in range(steps + 10):
        before = time.perf_counter()
        G, D, t, loss = compiled(G, D, t, real, jax.random.fold_in(key, number))
        loss.block_until_ready()
        times.append(time.perf_counter() - before)
    times = sorted(times[10:])
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"name": f"JAX {jax.__version__}", "ms": 1e3 * times[len(times) // 2], "first": first, "memory": memory}))


main()
