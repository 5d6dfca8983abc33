"""Deep Q-learning for Snake, in one file, to be read from top to bottom.

    1 settings    2 networks    3 replay    4 several steps at once    5 the target
    6 the greedy player    7 the training loop    8 checkpoints

Shapes: B games side by side, N transitions in a batch, O... the shape of one observation.
Q-values are (N, 3): what turning left, going straight on and turning right are worth.

Differences from Mnih et al. (2015), each for a reason:
 (1) Double DQN chooses the next action with the online network (less over-estimation);
 (2) returns over n steps instead of one (rewards travel n times faster);
 (3) B games at once, one gradient step after each round (a CPU likes large batches);
 (4) Adam with a falling learning rate instead of RMSProp;
 (5) the weights kept are the best on validation games, never on the games that are reported.
"""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from torchcourse.capstones.snake.observe import Observer, Snapshot, make_observer
from torchcourse.capstones.snake.playing import play
from torchcourse.capstones.snake.rewards import Rewards
from torchcourse.capstones.snake.vector import VectorEnv, VectorSnake
from torchcourse.files import written_whole

# ---------------------------------------------------------------------------- 1 settings


@dataclass(frozen=True)
class Config:
    """Everything a run depends on besides its seed. Numbers of steps count moves of one game."""

    board: tuple[int, int] = (10, 10)  # width, height
    observation: str = "view"  # a name from observe.OBSERVATIONS
    rewards: Rewards = field(default_factory=Rewards)
    patience: int | None = None  # steps without food until truncation; None: width·height
    steps: int = 1_000_000  # moves in all games together
    games: int = 64  # B, games side by side
    gamma: float = 0.97  # discount: a reward 1 / (1 - γ) ≈ 33 steps ahead still counts
    n_step: int = 3  # real rewards summed before the network's estimate takes over
    buffer: int = 200_000  # transitions remembered
    warm_up: int = 5_000  # random moves before the first gradient step
    batch: int = 512  # N
    updates: int = 1  # gradient steps after each round of B moves
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-4  # reached linearly at the end of the run
    sync: int = 200  # gradient steps between two copies into the target network
    epsilon: float = 1.0  # share of random moves at the start …
    final_epsilon: float = 0.01  # … and after `explore` of all steps
    explore: float = 0.1
    mirror: bool = False  # reflect half of each batch left-right (only for head views)
    checks: int = 20  # validations during the run
    check_games: int = 50  # games in each


def epsilon_at(config: Config, step: int) -> float:
    """Share of random moves after so many steps: falls linearly, then stays."""
    progress = min(1.0, step / (config.explore * config.steps))
    return config.epsilon + progress * (config.final_epsilon - config.epsilon)


# ---------------------------------------------------------------------------- 2 networks


class FeatureNet(nn.Module):
    """12 features → 3 Q-values."""

    def __init__(self, features: int = 12, hidden: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(features, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, 12) float in 0 … 1 → Q-values (N, 3)."""
        return self.layers(x)


class ViewNet(nn.Module):
    """Planes seen from the head → 3 Q-values.

    Strided convolutions instead of pooling: they are cheap, and they keep *where* things are.

    Raises:
        ValueError: planes below 7 by 7 cells, of which the convolutions leave nothing.
    """

    def __init__(self, shape: tuple[int, int, int], channels: int = 16, hidden: int = 256) -> None:
        super().__init__()
        if min(shape[1:]) < 7:
            raise ValueError(
                f"ViewNet needs to see at least 7 by 7 cells, and sees {shape[1]} by {shape[2]}. "
                "Use the observer 'view', which fits every board, or a larger board."
            )
        self.features = nn.Sequential(
            nn.Conv2d(shape[0], channels, 3, stride=2),
            nn.ReLU(),
            nn.Conv2d(channels, 2 * channels, 3, stride=2),
            nn.ReLU(),
            nn.Flatten(),
        )
        flat = self.features(torch.zeros(1, *shape)).shape[1]
        self.head = nn.Sequential(nn.Linear(flat, hidden), nn.ReLU(), nn.Linear(hidden, 3))

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, 3, V, V) in 0 … 255, uint8 or float → Q-values (N, 3)."""
        return self.head(self.features(x.float() / 255))


def make_model(observer: Observer) -> nn.Module:
    """The network that fits what the agent sees."""
    if len(observer.shape) == 1:
        return FeatureNet(observer.shape[0])
    return ViewNet(observer.shape)


# ---------------------------------------------------------------------------- 3 replay


@dataclass
class Batch:
    """N transitions. ``discount`` is γⁿ, or 0 where the game was over: nothing comes after."""

    observation: Tensor  # (N, O...)
    action: Tensor  # (N,) int64
    reward: Tensor  # (N,) float32, discounted sum of up to n rewards
    discount: Tensor  # (N,) float32
    next_observation: Tensor  # (N, O...)


class Replay:
    """The last ``capacity`` transitions; the oldest are overwritten."""

    def __init__(self, capacity: int, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        self.observation = torch.zeros(capacity, *shape, dtype=dtype)
        self.next_observation = torch.zeros(capacity, *shape, dtype=dtype)
        self.action = torch.zeros(capacity, dtype=torch.int64)
        self.reward = torch.zeros(capacity)
        self.discount = torch.zeros(capacity)
        self.capacity, self.added = capacity, 0

    def __len__(self) -> int:
        return min(self.added, self.capacity)

    def add(self, batch: Batch) -> None:
        """Store a batch of transitions."""
        count = len(batch.action)
        at = torch.arange(self.added, self.added + count) % self.capacity
        for name, values in vars(batch).items():
            getattr(self, name)[at] = values
        self.added += count

    def sample(self, count: int, generator: torch.Generator) -> Batch:
        """``count`` transitions, each drawn uniformly (with replacement)."""
        at = torch.randint(len(self), (count,), generator=generator)
        return Batch(**{name: getattr(self, name)[at] for name in Batch.__dataclass_fields__})


def mirrored(batch: Batch) -> Batch:
    """The same batch with its first half seen in a mirror: left and right change places."""
    half = len(batch.action) // 2

    def flip(view: Tensor) -> Tensor:  # (N, C, V, V)
        return torch.cat([view[:half].flip(3), view[half:]])

    action = torch.cat([2 - batch.action[:half], batch.action[half:]])
    return Batch(
        flip(batch.observation), action, batch.reward, batch.discount, flip(batch.next_observation)
    )


# ------------------------------------------------------------- 4 several steps at once


@dataclass
class Step:
    """One move in each of B games, as the environment reported it."""

    observation: Tensor  # (B, O...)
    action: Tensor  # (B,)
    reward: Tensor  # (B,)
    next_observation: Tensor  # (B, O...), the last position of a game that ended
    terminated: Tensor  # (B,) bool: died or won, no future
    truncated: Tensor  # (B,) bool: stopped from outside, the future would have gone on


def n_step_batch(window: deque[Step], gamma: float) -> Batch:
    """Look n steps ahead from the oldest step in the window.

    Walking backwards, each step puts its reward in front of what followed, unless its game ended
    there: then what followed belongs to the next game. Only a *terminated* game is worth nothing
    afterwards; after a truncation the value of the last position still counts.
    """
    last = window[-1]
    reward, discount, after = torch.zeros_like(last.reward), torch.ones_like(last.reward), None
    for step in reversed(window):
        ended = step.terminated | step.truncated
        reward = step.reward + gamma * torch.where(ended, 0.0, reward)
        discount = gamma * torch.where(ended, 1.0, discount) * ~step.terminated
        if after is None:
            after = step.next_observation.clone()
        else:
            after[ended] = step.next_observation[ended]
    first = window[0]
    return Batch(first.observation, first.action, reward, discount, after)


# ---------------------------------------------------------------------------- 5 the target


@torch.no_grad()  # the target is a number to aim at, not something to move
def double_dqn_target(online: nn.Module, target: nn.Module, batch: Batch) -> Tensor:
    """reward + discount · Q_target(next, argmax_a Q_online(next, a)), (N,)."""
    best = online(batch.next_observation).argmax(1, keepdim=True)  # (N, 1)
    value = target(batch.next_observation).gather(1, best).squeeze(1)  # (N,)
    return batch.reward + batch.discount * value


def dqn_loss(online: nn.Module, target: nn.Module, batch: Batch) -> Tensor:
    """Huber loss between Q(s, a) of the actions taken and the target, a scalar."""
    q = online(batch.observation).gather(1, batch.action[:, None]).squeeze(1)  # (N,)
    return F.smooth_l1_loss(q, double_dqn_target(online, target, batch))


# ---------------------------------------------------------------------------- 6 the player


class GreedyPlayer:
    """A policy for ``play``: takes the action with the largest Q-value."""

    def __init__(self, model: nn.Module, observer: Observer) -> None:
        self.model, self.observer = model.eval(), observer

    @torch.no_grad()
    def q_values(self, snapshot: Snapshot) -> Tensor:
        """(B, 3): what left, straight on and right are worth."""
        return self.model(torch.from_numpy(self.observer(snapshot)))

    def __call__(self, snapshot: Snapshot) -> np.ndarray:
        return self.q_values(snapshot).argmax(1).numpy()


# ---------------------------------------------------------------------------- 7 training

# Seeds of the three kinds of games. They never meet, so no reported game was trained on or
# chosen by. (game_seed spreads each of them over many games.)
TRAINING, VALIDATION, TEST = 1_000_000, 2_000_000, 0


class Trainer:
    """One training run: ``Trainer(config, seed).run()``.

    Args:
        config: what to do.
        seed: decides weights, food, exploration and batches. Same seed, same weights
            (on the same machine and number of threads).
        checkpoint: file to resume from if it is there, and to write to now and then.
    """

    def __init__(self, config: Config, seed: int = 0, checkpoint: Path | None = None) -> None:
        self.config, self.seed, self.checkpoint = config, seed, checkpoint
        width, height = config.board
        self.observer = make_observer(config.observation, width, height)
        self.generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # layers draw their weights from the global generator
            self.online = make_model(self.observer)
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.online.parameters(), config.learning_rate)
        seeds = (TRAINING + seed) * 1_000 + np.arange(config.games)
        self.game = VectorSnake(config.games, width, height, seeds)
        patience = config.patience or width * height
        self.env = VectorEnv(self.game, self.observer, config.rewards, patience)
        dtype = torch.from_numpy(self.env.observation).dtype
        self.replay = Replay(config.buffer, self.observer.shape, dtype)
        self.window: deque[Step] = deque(maxlen=config.n_step)
        self.rounds, self.gradient_steps = 0, 0
        self.seconds, self.cpu_seconds = 0.0, 0.0  # on a busy machine the first is much longer
        self.finished: deque[int] = deque(maxlen=200)  # scores of the latest training games
        self.losses: deque[float] = deque(maxlen=200)
        self.history: list[dict[str, float]] = []
        self.best_score, self.best = -1.0, copy.deepcopy(self.online.state_dict())
        if checkpoint is not None and checkpoint.exists():
            self.load(checkpoint)

    @property
    def steps(self) -> int:
        """Moves made so far, in all games together."""
        return self.rounds * self.config.games

    def run(
        self, report: Callable[[dict[str, float]], None] | None = None, stop_at: int | None = None
    ) -> nn.Module:
        """Train to the end (or until ``stop_at`` steps). Returns the best network seen."""
        every = max(1, self.config.steps // self.config.checks)
        while self.steps < (stop_at or self.config.steps):
            start, cpu, before = time.perf_counter(), time.process_time(), self.steps // every
            self.play_round()
            if self.steps >= self.config.warm_up:
                for _ in range(self.config.updates):
                    self.learn()
            check_now = self.steps // every > before
            if check_now:
                self.validate()
            self.seconds += time.perf_counter() - start
            self.cpu_seconds += time.process_time() - cpu
            if check_now:
                self.history[-1] |= {"seconds": self.seconds, "cpu_seconds": self.cpu_seconds}
                if report:
                    report(self.history[-1])
                if self.checkpoint:
                    self.save(self.checkpoint)
        model = copy.deepcopy(self.online)
        model.load_state_dict(self.best)
        return model.eval()

    @torch.no_grad()
    def play_round(self) -> None:
        """One ε-greedy move in every game, remembered."""
        observation = torch.from_numpy(self.env.observation)
        action = self.online(observation).argmax(1)
        explore = self._uniform() < epsilon_at(self.config, self.steps)
        action = torch.where(explore, (self._uniform() * 3).long(), action)
        after, reward, terminated, truncated, scores = self.env.step(action.numpy())
        ends = (torch.from_numpy(terminated), torch.from_numpy(truncated))
        step = Step(observation, action, torch.from_numpy(reward), torch.from_numpy(after), *ends)
        self.window.append(step)
        if len(self.window) == self.config.n_step:
            self.replay.add(n_step_batch(self.window, self.config.gamma))
        self.finished.extend(scores[terminated | truncated].tolist())
        self.rounds += 1

    def _uniform(self) -> Tensor:
        """(B,) numbers in [0, 1)."""
        return torch.rand(self.config.games, generator=self.generator)

    def learn(self) -> None:
        """One gradient step."""
        config = self.config
        progress = min(1.0, self.steps / config.steps)
        rate = config.learning_rate + progress * (config.final_learning_rate - config.learning_rate)
        self.optimizer.param_groups[0]["lr"] = rate
        batch = self.replay.sample(config.batch, self.generator)
        loss = dqn_loss(self.online, self.target, mirrored(batch) if config.mirror else batch)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.online.parameters(), 10.0)
        self.optimizer.step()
        self.gradient_steps += 1
        self.losses.append(loss.item())
        if self.gradient_steps % config.sync == 0:
            self.target.load_state_dict(self.online.state_dict())

    def validate(self) -> None:
        """Greedy games on validation seeds; the best network so far is kept."""
        player = GreedyPlayer(self.online, self.observer)
        config = self.config
        scores = play(config.check_games, VALIDATION + self.seed, config.board, player)
        self.online.train()
        mean = float(scores.mean())
        if mean > self.best_score:
            self.best_score, self.best = mean, copy.deepcopy(self.online.state_dict())
        self.history.append(
            {
                "steps": self.steps,
                "validation_score": mean,
                "training_score": float(np.mean(self.finished)) if self.finished else 0.0,
                "epsilon": epsilon_at(config, self.steps),
                "loss": float(np.mean(self.losses)) if self.losses else 0.0,
            }
        )

    # ------------------------------------------------------------------------ 8 checkpoints

    # What a run consists of besides tensors in modules. Missing one of these is the usual
    # reason why a resumed run is not the run that was killed.
    _GAME = ("random", "leaves", "clock", "head", "food", "heading", "length", "hunger", "event")
    _PLAIN = ("rounds", "gradient_steps", "seconds", "cpu_seconds", "history", "best_score", "best")

    def save(self, path: Path) -> None:
        """Write the whole run. A crash while writing leaves the former file untouched."""
        used = len(self.replay)
        state = {
            "config": repr(self.config),
            "seed": self.seed,
            "online": self.online.state_dict(),
            "target": self.target.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "game": {n: torch.from_numpy(_signed(getattr(self.game, n))) for n in self._GAME},
            "replay": {n: getattr(self.replay, n)[:used] for n in Batch.__dataclass_fields__},
            "added": self.replay.added,
            "window": [vars(step) for step in self.window],
            "finished": list(self.finished),
            "losses": list(self.losses),
            **{name: getattr(self, name) for name in self._PLAIN},
        }
        with written_whole(path) as temporary:
            torch.save(state, temporary)

    def load(self, path: Path) -> None:
        """Go on exactly where the saved run stood."""
        state = torch.load(path, weights_only=True)
        if (state["config"], state["seed"]) != (repr(self.config), self.seed):
            raise ValueError(
                f"{path} belongs to another run (seed {state['seed']}, {state['config']}). "
                "Choose another checkpoint file or delete this one."
            )
        self.online.load_state_dict(state["online"])
        self.target.load_state_dict(state["target"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        for name, values in state["game"].items():
            setattr(self.game, name, values.numpy().astype(getattr(self.game, name).dtype))
        for name, values in state["replay"].items():
            getattr(self.replay, name)[: len(values)] = values
        self.replay.added = state["added"]
        self.window.extend(Step(**step) for step in state["window"])
        self.finished.extend(state["finished"])
        self.losses.extend(state["losses"])
        for name in self._PLAIN:
            setattr(self, name, state[name])
        self.env.observation = self.observer(self.game.snapshot())


def _signed(array: np.ndarray) -> np.ndarray:
    """uint64 as int64: older torch versions cannot store unsigned integers."""
    return array.astype(np.int64) if array.dtype == np.uint64 else array


def describe(config: Config) -> dict:
    """The settings as plain values, for a JSON file."""
    return asdict(config)
