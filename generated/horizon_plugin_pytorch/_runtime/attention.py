# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/attention.py
"""Attention: how a multi-head attention composite is called, and its masks.

In: query, key and value in the layouts that torch accepts, and torch's masks. Out: what torch returns. The graph itself
sees [N, length, embed_dim] and one additive mask [N * heads or 1, target, source].
"""

import torch
from torch import Tensor

from .composite import Known, QATComposite

_BATCHED = 3


class QATAttention(QATComposite):
    """A composite over (query, key, value, mask) whose graph returns (output, weights of each head)."""

    _MASKED: float  # what an additive mask adds where torch's mask hides: far below every score, yet finite
    batch_first: bool
    num_heads: int

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend; shapes and masks as torch has them.

        Returns:
            The output, and the weights [N, target, source], averaged over the heads or [N, heads, target, source];
            None when they are not needed.
        """
        for x in (query, key, value):
            self._admit(x)
        batched = query.dim() == _BATCHED
        q, k, v = (self._batch_first(x) for x in (query, key, value))
        mask = self._mask(q, key_padding_mask, attn_mask)
        averaged = True if need_weights and average_attn_weights else None
        out, weights = self._graph(q, k, v, mask, averaged)
        shown = None
        if need_weights:
            shown = weights.squeeze(1) if averaged else weights
        if not batched:
            return out.squeeze(0), None if shown is None else shown.squeeze(0)
        return (out if self.batch_first else out.transpose(0, 1)), shown

    def _batch_first(self, x: Tensor) -> Tensor:
        if x.dim() != _BATCHED:
            return x.unsqueeze(0)
        return x if self.batch_first else x.transpose(0, 1)

    def _mask(self, query: Tensor, padding: Tensor | None, attention: Tensor | None) -> Tensor | None:
        """One additive float mask for what is given, quantized."""
        added: Tensor | None = None
        if attention is not None:
            added = self._additive(attention)
            added = added.unsqueeze(0) if added.dim() == 2 else added  # noqa: PLR2004 - [target, source]
        if padding is not None:
            of_keys = self._additive(padding).reshape(-1, 1, 1, padding.shape[-1])
            of_keys = of_keys.expand(-1, self.num_heads, 1, -1).reshape(-1, 1, padding.shape[-1])
            added = of_keys if added is None else (added + of_keys).clamp(min=self._MASKED)
        return added

    def _additive(self, mask: Tensor) -> Tensor:
        if mask.dtype == torch.bool:
            return torch.where(mask, self._MASKED, 0.0)
        return mask.clamp(min=self._MASKED)

    def bind(self, query: Known = None, key: Known = None, value: Known = None, *masks: Known) -> Known:
        """Derive the integers of the children; those behind a mask are derived when the first mask comes."""
        return self._bind_graph(query, key, value, None, True)
