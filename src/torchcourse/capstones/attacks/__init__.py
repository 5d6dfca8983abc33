"""Capstone 6, fool the network: adversarial attacks, and what defends against them."""

from torchcourse.capstones.attacks.perturb import fgsm, pgd

__all__ = ["fgsm", "pgd"]
