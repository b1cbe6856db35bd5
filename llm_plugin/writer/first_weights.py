"""First weights of the stand-in: it can repeat what stands before it, and so begins with what it is to learn.

What stood behind the last place that looked like this one? Two layers answer it, and a small network takes millions of
tokens to find them. Here they are written down: heads of the first layer look one token back and put its sketch into
the stream; heads of the second look where that sketch is the one of the token at hand, and the output says what they
find there. All of it is trained from there on.
"""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["ROPE_THETA", "set_first_weights"]

ROPE_THETA = 1e6
"""Slow enough that half of a head's planes stay where they are over a whole strategy: matching needs them."""

_HEADS = 2  # that look back, in either layer
_EMBEDDING, _QUIET = 0.5, 0.5
_BACK, _MATCH, _SAY = 4.0, 3.0, 1.5
_FAST, _SLOW = 1e-2, 4e-3  # radians a token


def set_first_weights(model: Any, seed: int) -> None:
    """Set an untrained Llama's weights.

    Args:
        model: With as many key-value heads as heads.
        seed: Of the sketches.
    """
    config = model.config
    heads = config.num_attention_heads
    with torch.no_grad():
        _spread(model)
        if config.num_hidden_layers > 1 and heads >= _HEADS and config.num_key_value_heads == heads:
            _let_repeat(model, seed)


def _let_repeat(model: Any, seed: int) -> None:
    layers, width = model.model.layers, model.config.hidden_size
    embedding = model.model.embed_tokens.weight
    embedding *= _EMBEDDING / embedding.std()
    embedding[:, 0] = 4 * _EMBEDDING  # the same for every token: heads that ask for a place only need a constant
    for layer in layers[:2]:
        layer.self_attn.o_proj.weight *= _QUIET
        layer.mlp.down_proj.weight *= _QUIET
    rng = torch.Generator().manual_seed(seed)
    own = width // model.config.num_attention_heads
    token, before, said = (_directions(min(_HEADS * own, width - 1), width - 1, rng) for _ in range(3))
    speeds = ROPE_THETA ** (-torch.arange(own // 2).float() / (own // 2))
    slow = torch.nonzero(speeds < _SLOW)[:, 0]
    planes = torch.cat([slow, slow + own // 2])
    for head in range(_HEADS):
        part = slice(head * own, (head + 1) * own)
        _look_back(layers[0].self_attn, part, speeds)
        _carry(layers[0].self_attn, part, token, before)
        matched = _directions(min(len(planes), len(token)), len(token), rng)
        _match(layers[1].self_attn, part, planes[: len(matched)], matched @ token, matched @ before)
        _carry(layers[1].self_attn, part, token, said)
    model.lm_head.weight[:, 1:] += embedding[:, 1:] @ token.T @ said * (_SAY / _EMBEDDING * width**-0.5)


def _spread(model: Any) -> None:
    """Give a narrow network larger first weights: at the usual ones, made for wide ones, it looks nowhere for long.

    Rows get the length that keeps the size of what they multiply; what is added to the stream is divided by its depth.
    """
    config = model.config
    factor = config.hidden_size**-0.5 / config.initializer_range
    for name, parameter in model.model.named_parameters():
        if parameter.dim() < 2:
            continue
        parameter *= factor
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            parameter *= (2 * config.num_hidden_layers) ** -0.5


def _directions(count: int, width: int, rng: torch.Generator) -> torch.Tensor:
    """Return `count` directions at right angles, one a row."""
    return torch.linalg.qr(torch.randn(width, count, generator=rng))[0].T


def _look_back(attention: Any, part: slice, speeds: torch.Tensor) -> None:
    """Let a head look at the token before: the constant, turned by one place less in the question."""
    half = len(speeds)
    fast = (speeds > _FAST).float() * _BACK / 2
    for projection in (attention.q_proj, attention.k_proj):
        projection.weight[part] *= 0.1
    attention.k_proj.weight[part, 0][:half] += fast
    attention.q_proj.weight[part, 0][:half] += fast * speeds.cos()
    attention.q_proj.weight[part, 0][half:] -= fast * speeds.sin()


def _match(attention: Any, part: slice, planes: torch.Tensor, asked: torch.Tensor, known: torch.Tensor) -> None:
    """Let a head look where `known` of a place is `asked` of this one."""
    for projection, read in ((attention.q_proj, asked), (attention.k_proj, known)):
        weights = torch.zeros_like(projection.weight[part])
        weights[planes, 1:] = read * _MATCH
        projection.weight[part] = weights


def _carry(attention: Any, part: slice, read: torch.Tensor, written: torch.Tensor) -> None:
    """Let a head write what it reads in some directions into others."""
    rows = read[part]
    into = torch.zeros_like(attention.v_proj.weight[part])
    into[: len(rows), 1:] = rows
    attention.v_proj.weight[part] = into
    out = torch.zeros_like(attention.o_proj.weight[:, part])
    out[1:, : len(rows)] = written[part].T * _EMBEDDING
    attention.o_proj.weight[:, part] = out
