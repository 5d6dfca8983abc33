"""Answers to the exercises of chapter 1."""

from __future__ import annotations

import torch

from wrong_answers import right, wrong


class masked_mean:
    @wrong("averaged over all T positions")
    def ignores_the_mask(x, mask):
        return x.mean(dim=1)

    @wrong("divided by T, padding included")
    def divides_by_all_positions(x, mask):
        return (x * mask[:, :, None]).mean(dim=1)

    @wrong("upside down")
    def averages_the_padding(x, mask):
        weight = (~mask)[:, :, None].float()
        return (x * weight).sum(1) / weight.sum(1).clamp(min=1) + 0 * x[:, 0]

    @wrong("rows are mixed")
    def pools_the_whole_batch(x, mask):
        return x[mask].mean(0)

    @wrong("axis of length 1 is still there")
    def keeps_the_axis(x, mask):
        weight = mask[:, :, None].float()
        return (x * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True)

    @wrong("did not divide by their number")
    def only_sums(x, mask):
        return (x * mask[:, :, None]).sum(1)

    @wrong("as if padding always came last")
    def trusts_the_length(x, mask):
        return torch.stack([row[: int(m.sum())].mean(0) for row, m in zip(x, mask, strict=True)])

    @wrong("the batch axis disappeared")
    def squeezes_everything(x, mask):
        weight = mask[:, :, None].float()
        return ((x * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True)).squeeze()

    @wrong("changed its input")
    def zeroes_the_padding_in_place(x, mask):
        x[~mask] = 0.0
        return x.sum(1) / mask.sum(1, keepdim=True)

    @wrong("no gradient can flow back")
    def leaves_autograd(x, mask):
        x = x.detach()
        return (x * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)

    @right
    def by_weights(x, mask):
        weight = mask.unsqueeze(-1).to(x.dtype)
        return (x * weight).sum(dim=1) / weight.sum(dim=1)

    @right
    def by_einsum(x, mask):
        return torch.einsum("btd,bt->bd", x, mask.float()) / mask.sum(1)[:, None]

    @right
    def by_nanmean(x, mask):
        return torch.where(mask[:, :, None], x, torch.nan).nanmean(dim=1)

    @right
    def by_row(x, mask):
        return torch.stack([row[real].mean(0) for row, real in zip(x, mask, strict=True)])
