"""Training a conditional WGAN-GP: settings, the loop, and checkpoints that a run goes on from."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from torchcourse.capstones.gan.losses import critic_loss, generator_loss, gradient_penalty
from torchcourse.capstones.gan.model import Critic, Generator
from torchcourse.train.checkpoint import random_states, read, set_random_states, write_whole

FORMAT = "torchcourse GAN checkpoint 1"


@dataclass(frozen=True)
class Config:
    """Everything a run depends on, besides the pictures.

    Attributes:
        steps: generator steps in all; each follows ``critic_steps`` steps of the critic.
        batch: pictures in a batch.
        lr_generator, lr_critic: Adam's learning rates at first; they fall linearly to 0.
        critic_steps: steps of the critic for each step of the generator.
        penalty: weight of the gradient penalty; 0 leaves it out.
        spectral: spectral norm in the critic.
        width: channels, of both networks.
        averaging: of the generator whose pictures are used: the share of the old weights kept at
            each step (an exponential moving average).
        report_every: generator steps between two rows of the history.
        seed: of weights, noise and batches.
    """

    steps: int = 6000
    batch: int = 64
    lr_generator: float = 5e-4
    lr_critic: float = 5e-4
    critic_steps: int = 2
    penalty: float = 10.0
    spectral: bool = True
    width: int = 24
    averaging: float = 0.999
    report_every: int = 100
    seed: int = 0


QUICK = Config(steps=700, width=12, batch=48, averaging=0.99)


class Trainer:
    """A run that can be stopped anywhere and goes on as if it had not been.

    Args:
        pictures: (N, 1, 28, 28) in [0, 1] floating point, or uint8.
        labels: (N,) int64, from 0.
        config: the settings.

    Raises:
        ValueError: pictures or labels of another shape or range, or fewer than a batch.
    """

    def __init__(self, pictures: Tensor, labels: Tensor, config: Config) -> None:
        _check(pictures, labels, config)
        self.pictures, self.labels, self.config = pictures, labels, config
        torch.manual_seed(config.seed)  # for the first weights
        self.random = torch.Generator().manual_seed(config.seed)  # for everything after them
        classes = int(labels.max()) + 1
        self.generator = Generator(classes, config.width)
        self.critic = Critic(classes, config.width, config.spectral)
        average = get_ema_multi_avg_fn(config.averaging)
        self.average = AveragedModel(self.generator, multi_avg_fn=average, use_buffers=True)
        betas = (0.0, 0.9)  # no momentum: the other player changes the slope all the time
        self.for_generator = torch.optim.Adam(
            self.generator.parameters(), config.lr_generator, betas
        )
        self.for_critic = torch.optim.Adam(self.critic.parameters(), config.lr_critic, betas)
        self.done = 0
        self.history: list[dict[str, float]] = []

    def run(
        self,
        folder: str | Path | None = None,
        on_report: Callable[[Trainer], None] | None = None,
        progress: bool = True,
    ) -> list[dict[str, float]]:
        """Train to the end, from where it stands.

        Args:
            folder: for the checkpoint ``last.pt``, written with each row of the history; a run
                that is found there goes on.
            on_report: called after each new row, for example to keep pictures.
            progress: show a bar.

        Returns:
            The history: rows of step, Wasserstein estimate, penalty and seconds (means over
            ``report_every`` steps).
        """
        path = None if folder is None else Path(folder) / "last.pt"
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                self.load(path)
        bar = tqdm(total=self.config.steps, initial=self.done, disable=not progress, desc="GAN")
        sums, started = torch.zeros(2), time.perf_counter()
        while self.done < self.config.steps:
            sums += self.step()
            self.done += 1
            bar.update()
            if self.done % self.config.report_every == 0 or self.done == self.config.steps:
                count = self.done - (self.history[-1]["step"] if self.history else 0)
                distance, penalty = (sums / count).tolist()
                seconds = time.perf_counter() - started
                self.history.append(
                    dict(step=self.done, wasserstein=distance, penalty=penalty, seconds=seconds)
                )
                bar.set_postfix_str(f"Wasserstein estimate {distance:.2f}")
                sums, started = torch.zeros(2), time.perf_counter()
                if path is not None:
                    self.save(path)
                if on_report is not None:
                    on_report(self)
        bar.close()
        return self.history

    def step(self) -> Tensor:
        """Some steps of the critic, one of the generator; returns (estimate, penalty), (2,)."""
        self._set_learning_rates()
        self.generator.train()
        measured = torch.zeros(2)
        for _ in range(self.config.critic_steps):
            measured += self._critic_step() / self.config.critic_steps
        self._generator_step()
        self.average.update_parameters(self.generator)
        return measured

    def _critic_step(self) -> Tensor:
        rows = self._draw_rows()
        real, labels = self._as_float(self.pictures[rows]), self.labels[rows]
        with torch.no_grad():
            fake = self.generator(self._noise(), labels)
        distance = -critic_loss(self.critic(real, labels), self.critic(fake, labels))
        penalty = torch.zeros(())
        if self.config.penalty:
            penalty = gradient_penalty(self.critic, real, fake, labels, self.random)
        self.for_critic.zero_grad()
        (-distance + self.config.penalty * penalty).backward()
        self.for_critic.step()
        return torch.stack([distance.detach(), penalty.detach()])

    def _generator_step(self) -> None:
        labels = self.labels[self._draw_rows()]
        self.critic.requires_grad_(False)  # its own gradients are not needed here
        loss = generator_loss(self.critic(self.generator(self._noise(), labels), labels))
        self.for_generator.zero_grad()
        loss.backward()
        self.for_generator.step()
        self.critic.requires_grad_(True)

    def _noise(self) -> Tensor:
        return torch.randn(self.config.batch, self.generator.latent, generator=self.random)

    def _draw_rows(self) -> Tensor:
        return torch.randint(len(self.labels), (self.config.batch,), generator=self.random)

    def _set_learning_rates(self) -> None:
        left = 1 - self.done / self.config.steps
        self.for_generator.param_groups[0]["lr"] = self.config.lr_generator * left
        self.for_critic.param_groups[0]["lr"] = self.config.lr_critic * left

    @staticmethod
    def _as_float(pictures: Tensor) -> Tensor:
        return pictures / 255 if pictures.dtype == torch.uint8 else pictures

    # ---- checkpoints --------------------------------------------------------------------------

    def _parts(self) -> dict[str, object]:
        names = ("generator", "critic", "average", "for_generator", "for_critic")
        return {name: getattr(self, name) for name in names}

    def save(self, path: Path) -> None:
        """Everything the run needs to go on, whole or not at all."""
        state = {name: part.state_dict() for name, part in self._parts().items()}
        state |= {"config": asdict(self.config), "done": self.done, "history": self.history}
        write_whole(path, {"format": FORMAT, "random": random_states([self.random]), **state})

    def load(self, path: Path) -> None:
        """Go on from a checkpoint of the same settings.

        Raises:
            CheckpointError: the file is damaged, or no checkpoint of this kind.
            ValueError: it belongs to a run with other settings.
        """
        state = read(path, FORMAT)
        if state["config"] != asdict(self.config):
            raise ValueError(
                f"{path} belongs to a run with other settings ({state['config']}). It was left in "
                "place; choose another folder, or the same settings."
            )
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.done, self.history = state["done"], state["history"]
        set_random_states(state["random"], [self.random])


def _check(pictures: Tensor, labels: Tensor, config: Config) -> None:
    if pictures.ndim != 4 or pictures.shape[1:] != (1, 28, 28):
        raise ValueError(f"pictures must be (N, 1, 28, 28), not {tuple(pictures.shape)}.")
    if pictures.is_floating_point() and not bool(((pictures >= 0) & (pictures <= 1)).all()):
        raise ValueError("Pixels must lie in [0, 1]; divide by 255, and do not normalise.")
    if labels.shape != pictures.shape[:1] or labels.dtype != torch.int64:
        raise ValueError(
            f"labels must be int64 of shape ({len(pictures)},), not {labels.dtype} "
            f"{tuple(labels.shape)}."
        )
    if len(pictures) < config.batch:
        raise ValueError(f"{len(pictures)} pictures are fewer than a batch of {config.batch}.")
