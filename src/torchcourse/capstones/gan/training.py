"""Training a conditional WGAN-GP: settings, the loop, and checkpoints that a run goes on from."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from torchcourse.capstones.digits.training import mixed_precision
from torchcourse.capstones.gan.losses import critic_loss, generator_loss, gradient_penalty
from torchcourse.capstones.gan.model import Critic, Generator
from torchcourse.train.checkpoint import random_states, read, set_random_states, write_whole

FORMAT = "torchcourse GAN checkpoint 1"
NETWORKS = ("generator", "critic", "average")


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
        mismatch: how much the critic also learns from real pictures under a wrong label (Reed et
            al., `Generative adversarial text to image synthesis
            <https://arxiv.org/abs/1605.05396>`_, section 4.2); 0 leaves it out.
        width: channels, of both networks.
        averaging: of the generator whose pictures are used: the share of the old weights kept at
            each step (an exponential moving average).
        mixed: convolutions in bfloat16 where the processor has instructions for it: almost twice as
            fast, but no longer the same on every machine.
        report_every: generator steps between two rows of the history.
        seed: of weights, noise and batches.
    """

    steps: int = 4000
    batch: int = 64
    lr_generator: float = 3e-3
    lr_critic: float = 3e-3
    critic_steps: int = 2
    penalty: float = 3.0
    spectral: bool = False
    mismatch: float = 0.0
    width: int = 24
    averaging: float = 0.995
    mixed: bool = False
    report_every: int = 250
    seed: int = 0


QUICK = Config(steps=800, width=12, batch=48, averaging=0.98, report_every=100)  # a minute
# The recorded run has two parts. At equal rates pictures come quickly, but then the critic no
# longer keeps up with the generator, and nothing improves. So the second part has a slower
# generator, and the critic also learns from wrong labels.
FULL = (
    Config(),
    Config(
        steps=1600,
        lr_generator=5e-4,
        lr_critic=1e-3,
        critic_steps=3,
        penalty=5.0,
        mismatch=0.3,
        report_every=100,
    ),
)


class Trainer:
    """A run that can be stopped anywhere and goes on as if it had not been.

    Args:
        pictures: (N, 1, 28, 28) in [0, 1] floating point, or uint8.
        labels: (N,) int64, from 0.
        config: the settings.
        device: where to train. The random numbers are drawn on the CPU, whatever it is.

    Raises:
        ValueError: pictures or labels of another shape or range, or fewer than a batch.
    """

    def __init__(
        self,
        pictures: Tensor,
        labels: Tensor,
        config: Config,
        device: torch.device | str = "cpu",
    ) -> None:
        _check(pictures, labels, config)
        self.pictures, self.labels, self.config = pictures, labels, config
        self.device = torch.device(device)
        torch.manual_seed(config.seed)  # for the first weights
        self.random = torch.Generator().manual_seed(config.seed)  # for everything after them
        classes = int(labels.max()) + 1
        # Channels last: the order in which processors convolve fastest.
        place = {"device": self.device, "memory_format": torch.channels_last}
        self.generator = Generator(classes, config.width).to(**place)
        self.critic = Critic(classes, config.width, config.spectral).to(**place)
        average = get_ema_multi_avg_fn(config.averaging)
        self.average = AveragedModel(self.generator, multi_avg_fn=average, use_buffers=True)
        betas = (0.0, 0.9)  # no momentum: the other player changes the slope all the time
        self.for_generator = torch.optim.Adam(
            self.generator.parameters(), config.lr_generator, betas
        )
        self.for_critic = torch.optim.Adam(self.critic.parameters(), config.lr_critic, betas)
        rows = torch.arange(config.batch, device=self.device)
        self._every_other = (rows % 2 == 0).view(-1, 1, 1, 1)  # (B, 1, 1, 1)
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
        real = self._as_float(self.pictures[rows]).to(self.device)
        labels = self.labels[rows].to(self.device)
        with torch.no_grad():
            fake = self._generate(labels)
        real_scores = self._score(real, labels)
        distance = -critic_loss(real_scores, self._score(fake, labels))
        loss, penalty = -distance, torch.zeros((), device=self.device)
        if self.config.mismatch:
            # Each real picture under the label of its neighbour, beside that label's made picture.
            wrong, fake = labels.roll(1), torch.where(self._every_other, fake, fake.roll(1, 0))
            loss = loss + self.config.mismatch * critic_loss(real_scores, self._score(real, wrong))
            labels = torch.where(self._every_other.flatten(), labels, wrong)
        if self.config.penalty:  # on the way to the wrong ones as well
            penalty = gradient_penalty(self._score, real, fake, labels, self.random)
            loss = loss + self.config.penalty * penalty
        self.for_critic.zero_grad()
        loss.backward()
        self.for_critic.step()
        return torch.stack([distance.detach(), penalty.detach()]).cpu()

    def _generator_step(self) -> None:
        labels = self.labels[self._draw_rows()].to(self.device)
        self.critic.requires_grad_(False)  # its own gradients are not needed here
        loss = generator_loss(self._score(self._generate(labels), labels))
        self.for_generator.zero_grad()
        loss.backward()
        self.for_generator.step()
        self.critic.requires_grad_(True)

    def _generate(self, labels: Tensor) -> Tensor:
        """A batch of pictures from fresh noise: (B,) → (B, 1, 28, 28)."""
        noise = torch.randn(len(labels), self.generator.latent, generator=self.random)
        with self._precision():
            return self.generator(noise.to(self.device), labels).float()

    def _score(self, pictures: Tensor, labels: Tensor) -> Tensor:
        """The critic's scores, with all their digits: (B, 1, 28, 28), (B,) → (B,)."""
        with self._precision():
            return self.critic(pictures, labels).float()

    def _precision(self) -> AbstractContextManager:
        return mixed_precision(self.device) if self.config.mixed else nullcontext()

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
        names = (*NETWORKS, "for_generator", "for_critic")
        return {name: getattr(self, name) for name in names}

    def save(self, path: Path) -> None:
        """Everything the run needs to go on, whole or not at all."""
        state = {name: part.state_dict() for name, part in self._parts().items()}
        state |= {"config": asdict(self.config), "done": self.done, "history": self.history}
        write_whole(path, {"format": FORMAT, "random": random_states([self.random]), **state})

    def take_over(self, other: Trainer) -> None:
        """Begin with the networks of another run, at step 0 of these settings.

        The optimizers start afresh: their averages belong to other learning rates.

        Raises:
            RuntimeError: its networks have other widths or layers.
        """
        for name in NETWORKS:
            getattr(self, name).load_state_dict(getattr(other, name).state_dict())

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
