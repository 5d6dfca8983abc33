"""Checkers of capstone 5's lab: the parts of an agent that learns to play Snake."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from torchcourse.capstones.snake import agent
from torchcourse.capstones.snake.agent import Batch
from torchcourse.capstones.snake.engine import DOWN, LEFT, RIGHT, UP, Event, Snake, turn
from torchcourse.capstones.snake.rewards import Rewards
from torchcourse.checks.compare import has_values, kind
from torchcourse.checks.core import Attempt, Slip, exercise


class QTable(nn.Module):
    """A network whose answers are known: observation (N, 1) names a row of `values`, (S, 3)."""

    def __init__(self, values: Tensor | list[list[float]]) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.as_tensor(values))

    def forward(self, observation: Tensor) -> Tensor:
        return self.values[observation[:, 0].long()]


def _rows(*numbers: int) -> Tensor:
    """Observations (N, 1) for a QTable."""
    return torch.tensor(numbers, dtype=torch.float32)[:, None]


# ---------------------------------------------------------------------------- what it sees


@exercise(
    "Features are relative: the same three numbers describe a danger in all four headings. And "
    "the tail's cell is free, because the tail leaves it in the very step in which you arrive."
)
def danger(attempt: Attempt) -> None:
    """danger(body, heading, width, height): cells, 0 … 3, size → (3,) float32, 1 = deadly."""
    _danger_at_walls(attempt)
    _danger_of_body(attempt)
    for seed in range(12):
        width, height = 5 + seed % 3, 7 - seed % 4
        game = Snake(width, height, seed)
        for _ in range(25):
            want = _asked_of_the_game(game)
            got = attempt(list(game.body), game.heading, width, height)
            attempt.expect(got, want, case=f"a snake of {len(game.body)} cells in a real game")
            safe = (want == 0).nonzero().flatten()
            if not len(safe):
                break
            choice = torch.randint(len(safe), (), generator=attempt.random)
            if game.step(turn(game.heading, int(safe[choice]))) >= Event.HIT_WALL:
                break


def _asked_of_the_game(game: Snake) -> Tensor:
    """Which moves are deadly, found out by making each of them in a copy."""
    events = [copy.deepcopy(game).step(turn(game.heading, action)) for action in range(3)]
    return torch.tensor([float(e in (Event.HIT_WALL, Event.HIT_SELF)) for e in events])


def _danger_at_walls(attempt: Attempt) -> None:
    want = torch.tensor([1.0, 1.0, 0.0])
    attempt.expect(
        attempt([(0, 0), (0, 1), (1, 1), (2, 1)], UP, 7, 5),
        want,
        Slip(
            1 - want,
            "Ones and zeros are exchanged: 1 marks a move that kills.",
            "Ask for danger, not for safety.",
        ),
        Slip(
            torch.tensor([1.0, 0.0, 1.0]),
            "You looked up, right and down, wherever the snake is heading.",
            "The three moves are relative: `turn(heading, action)` gives the direction of each.",
        ),
        Slip(
            torch.tensor([0.0, 1.0, 1.0]),
            "Left and right are exchanged.",
            "Directions count clockwise, so a left turn is heading - 1.",
        ),
        Slip(
            torch.zeros(3),
            "You forgot the walls: at the edge of the board a step outside seems safe.",
            "A cell is on the board if 0 <= x < width and 0 <= y < height.",
        ),
        Slip(
            want.bool(),
            "The answers are right, but you return True and False.",
            "The network computes with floating numbers: make it float32.",
        ),
        case="a snake in the upper left corner, heading up",
    )
    attempt.expect(
        attempt([(6, 4), (5, 4), (4, 4)], RIGHT, 7, 5),
        torch.tensor([0.0, 1.0, 1.0]),
        Slip(
            torch.zeros(3),
            "The walls on the right and at the bottom are one cell too far away.",
            "Columns are numbered 0 … width - 1: x = width is already outside.",
        ),
        Slip(
            torch.ones(3),
            "Width and height are exchanged, so half of a wide board looks like a wall.",
            "x is compared with width, y with height.",
        ),
        Slip(
            torch.tensor([1.0, 1.0, 0.0]),
            "Up and down are exchanged: y grows downwards, as in every picture.",
            "`MOVES` holds (dx, dy) of each direction; up is (0, -1).",
        ),
        case="a snake in the lower right corner, heading right",
    )


def _danger_of_body(attempt: Attempt) -> None:
    ring = [(3, 2), (3, 3), (2, 3), (2, 2), (2, 1), (3, 1)]
    attempt.expect(
        attempt(ring, UP, 7, 5),
        torch.tensor([1.0, 0.0, 0.0]),
        Slip(
            torch.tensor([1.0, 1.0, 0.0]),
            "You count the tail's cell as deadly, but the tail moves away in this very step.",
            "Leave the last cell of the body out: `body[:-1]`.",
        ),
        Slip(
            torch.zeros(3),
            "You forgot the body: only walls seem to kill.",
            "A cell is deadly too if it is in the body (tail excepted).",
        ),
        case="the tail straight ahead and the body on the left",
    )
    attempt.expect(
        attempt([(1, 2), (2, 2), (2, 1), (1, 1), (0, 1), (0, 2), (0, 3)], LEFT, 4, 6),
        torch.tensor([0.0, 1.0, 1.0]),
        case="the body straight ahead and on the right, heading left",
    )
    attempt.expect(
        attempt([(1, 1), (1, 0), (0, 0)], DOWN, 4, 4),
        torch.zeros(3),
        case="a short snake with room on all sides, heading down",
    )


# ---------------------------------------------------------------------------- what it wants


@exercise(
    "A shaping reward that is taken back when the snake moves away sums to nothing on a round "
    "trip. Without the taking back, walking in circles would pay."
)
def step_rewards(attempt: Attempt) -> None:
    """step_rewards(events, approach, food, death, closer): (B,), (B,) int64 → (B,) float32."""
    events = torch.tensor([e.value for e in (*Event, Event.MOVED)])  # 0 … 4, and 0 again
    approach = torch.tensor([1, 1, 0, 0, 1, -1])
    want = torch.tensor([0.5, 10.5, -5.0, -5.0, 10.5, -0.5])

    def instead(**changes: float) -> Tensor:
        """The right rewards, but for some events (named in small letters) and for going away."""
        value = want.clone()
        for name, reward in changes.items():
            value[5 if name == "away" else Event[name.upper()]] = reward
        return value

    attempt.expect(
        attempt(events, approach, 10.0, -5.0, 0.5),
        want,
        Slip(
            instead(won=0.5),
            "Winning brought nothing: the last meal, which fills the board, was not paid.",
            "`Event.WON` is a meal too: it is reported instead of `Event.ATE`.",
        ),
        *(
            Slip(
                instead(won=reward),
                "You punished the winner: WON also ends the game, but it is no death.",
                "Only `Event.HIT_WALL` and `Event.HIT_SELF` are deaths.",
            )
            for reward in (-5.0, -4.5, 5.5)
        ),
        Slip(
            instead(hit_self=0.0),
            "Biting its own body cost nothing: you punished only the wall.",
            "There are two ways to die, `Event.HIT_WALL` and `Event.HIT_SELF`.",
        ),
        Slip(
            instead(hit_wall=0.0),
            "Running into the wall cost nothing: you punished only the bite.",
            "There are two ways to die, `Event.HIT_WALL` and `Event.HIT_SELF`.",
        ),
        Slip(
            instead(away=0.0),
            "You pay for coming nearer, but take nothing back for moving away. Circling would pay.",
            "Multiply `closer` by `approach` as it is, minus signs included.",
        ),
        Slip(
            torch.tensor([-0.5, 9.5, -5.0, -5.0, 9.5, 0.5]),
            "You pay for moving away from the food: the sign of `approach` is turned round.",
            "`approach` is positive when the head came nearer.",
        ),
        Slip(
            instead(hit_wall=5.0, hit_self=5.0),
            "Dying is rewarded: `death` is already negative, and you subtracted it.",
            "Add `death`, do not subtract it.",
        ),
        Slip(
            instead(ate=10.0, won=10.0),
            "A meal lost its share of `approach`: the three parts are added, not chosen from.",
            "Sum the three terms; each is 0 where it does not apply.",
        ),
        case="food = 10, death = -5, closer = 0.5",
    )
    for count in (7, 1):
        events = torch.randint(5, (count,), generator=attempt.random)
        approach = torch.randint(-1, 2, (count,), generator=attempt.random)
        worth = torch.randn(3, generator=attempt.random).tolist()
        rewards = Rewards(food=worth[0], death=worth[1], closer=worth[2])
        want = torch.from_numpy(rewards.of(events.numpy(), approach.numpy()))
        case = "a single game" if count == 1 else f"{count} games and other rewards"
        attempt.expect(attempt(events, approach, *worth), want, case=case)


# ---------------------------------------------------------------------------- how it acts


@exercise(
    "Each game throws its own dice, twice: whether to explore, and where to. All chance comes "
    "from one generator, so a run can be repeated."
)
def choose_actions(attempt: Attempt) -> None:
    """choose_actions(q, epsilon, generator): (B, 3) → (B,) int64."""
    q = torch.tensor([[0.1, 0.9, 0.3], [2.0, -1.0, 0.0], [-3.0, -2.0, -1.0], [-1.0, 4.0, 4.5]])
    want = torch.tensor([1, 0, 2, 2])
    greedy_at_one = attempt(q, 1.0, _generator(1))
    got = attempt(q, 0.0, _generator(1))
    upside_down = _same(greedy_at_one, want) and not _same(got, want)
    if upside_down:
        attempt.stop(
            "ε is upside down: with ε = 1 you never explore, with ε = 0 you always do.",
            "ε is the share of *random* moves: explore where the random number is below ε.",
        )
    attempt.expect(
        got,
        want,
        Slip(
            q.argmax(0),
            "You looked for the best game of each action, not the best action of each game.",
            "The actions lie along dimension 1: `argmax(dim=1)`.",
        ),
        Slip(
            want[:, None],
            "The actions are right, but an axis of length 1 is left: (B, 1).",
            "Leave out `keepdim=True`.",
        ),
        Slip(
            q.amax(1),
            "You return how good the best action is, not which one it is.",
            "`argmax` gives the position of the largest value.",
        ),
        Slip(
            q.argmin(1),
            "You chose the worst action of each game.",
            "A large Q-value means much reward to come.",
        ),
        case="ε = 0",
    )
    _explores(attempt)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _same(got: object, want: Tensor) -> bool:
    return (
        isinstance(got, Tensor)
        and has_values(got)
        and got.dtype == want.dtype
        and torch.equal(got.cpu(), want)
    )


def _explores(attempt: Attempt) -> None:
    """The random side, measured on many games: tolerances are five standard deviations or more."""
    games, generator = 3000, _generator(2)
    q = torch.randn(games, 3, generator=attempt.random)
    greedy = q.argmax(1)
    first = _actions(attempt, attempt(q, 1.0, generator), games)
    shares = torch.bincount(first, minlength=3) / games
    if shares.max() == 1:
        attempt.stop(
            "With ε = 1 all games made the same random move: one throw for the whole batch.",
            "Draw B random moves, one for each game.",
        )
    if (first == greedy).float().mean() < 0.05:
        attempt.stop(
            "Your random move is never the best one. It should be any of the three, each with "
            "probability 1/3.",
            "Draw from all three actions; chance may well repeat the greedy one.",
        )
    if (shares - 1 / 3).abs().max() > 0.05:
        attempt.stop(
            "With ε = 1 the three moves do not come equally often.",
            "`torch.randint(3, …)` draws 0, 1 and 2: the upper bound itself is never drawn.",
            expected=torch.full((3,), 1 / 3),
            gave=shares,
        )
    if torch.equal(first, _actions(attempt, attempt(q, 1.0, generator), games)):
        attempt.stop(
            "Two calls in a row explored in exactly the same way: the dice start anew each time.",
            "Use the generator you are given as it is; set no seed inside the function.",
        )
    if not torch.equal(first, _actions(attempt, attempt(q, 1.0, _generator(2)), games)):
        attempt.stop(
            "The same generator state gave other moves: part of your chance comes from elsewhere.",
            "Pass `generator=generator` to each function that draws numbers.",
        )
    _dice_for_each_game(attempt, q[:200], greedy[:200], generator)


def _dice_for_each_game(
    attempt: Attempt, q: Tensor, greedy: Tensor, generator: torch.Generator
) -> None:
    calls = [_actions(attempt, attempt(q, 0.5, generator), len(q)) for _ in range(20)]
    explored = torch.stack([(actions != greedy).float().mean() for actions in calls])  # (20,)
    if explored.min() == 0:
        attempt.stop(
            "In some rounds no game explored at all, in others all of them: one throw decides for "
            "the whole batch.",
            "Draw B numbers between 0 and 1, and compare each with ε.",
        )
    odd = torch.cat([actions[actions != greedy] for actions in calls])  # surely random ones
    if (torch.bincount(odd, minlength=3) / len(odd)).min() < 0.2:
        attempt.stop(
            "With ε = 0.5 some moves are hardly ever explored: the same random number decides "
            "whether to explore and where to.",
            "Draw twice: one number for whether, and another for where.",
        )
    if abs(explored.mean() - 1 / 3) > 0.05:
        attempt.stop(
            "With ε = 0.5, a third of the moves should differ from the greedy one "
            "(half of them are random, and a third of these hit it by chance).",
            "Explore where a uniform random number is below ε.",
            expected=1 / 3,
            gave=explored.mean().item(),
        )


def _actions(attempt: Attempt, got: object, games: int) -> Tensor:
    """`got` if it is a tensor of actions, else a card."""
    _expect_like(attempt, got, torch.zeros(games, dtype=torch.int64))
    if got.min() < 0 or got.max() > 2:
        attempt.stop(
            f"You chose actions from {got.min()} to {got.max()}; there are only 0, 1 and 2.",
            "`torch.randint(3, …)` draws 0, 1 and 2: the upper bound itself is never drawn.",
        )
    return got


def _expect_like(attempt: Attempt, got: object, like: Tensor, name: str = "the result") -> None:
    """Stop unless `got` is a dense tensor of the same shape and dtype, whatever its values."""
    whole = isinstance(got, Tensor) and has_values(got)
    if not (whole and got.shape == like.shape and got.dtype == like.dtype):
        attempt.expect(got, like, name=name)


@exercise(
    "A forbidden move must lose against every Q-value, and Q-values can be negative: so it gets "
    "-∞, never 0. That is how all masked choices work, attention's too."
)
def legal_argmax(attempt: Attempt) -> None:
    """legal_argmax(q, legal): (B, 3) float, (B, 3) bool → (B,) int64."""
    q = torch.tensor(
        [[1.0, 5, 3], [-1, -2, -3], [4, 2, 6], [0.5, -7, -8], [9, 1, 8], [7, 2, 9]],
    )
    legal = torch.tensor(
        [[1, 0, 1], [0, 1, 1], [0, 0, 0], [0, 1, 1], [1, 1, 0], [0, 1, 0]], dtype=torch.bool
    )
    want = torch.tensor([2, 1, 2, 1, 0, 1])
    negative = "A forbidden move won, because 0 is more than a negative Q-value."
    infinity = "Give forbidden moves -∞: `masked_fill(~legal, -torch.inf)`."
    attempt.expect(
        attempt(q, legal),
        want,
        Slip(
            torch.tensor([1, 0, 2, 0, 0, 2]),
            "You ignored the mask, and chose among all moves.",
            "`legal` is True where a move is allowed.",
        ),
        Slip(torch.tensor([2, 0, 0, 0, 0, 1]), negative, infinity),
        Slip(torch.tensor([2, 0, 2, 0, 0, 1]), negative, infinity),
        Slip(
            torch.tensor([2, 1, 0, 1, 0, 1]),
            "In the game without any legal move you took action 0, which is only where `argmax` "
            "of equal values points.",
            "There, fall back on the argmax of all three: some move must be made.",
        ),
        Slip(
            torch.tensor([1, 0, 2, 0, 2, 2]),
            "The mask is upside down: you chose among the forbidden moves.",
            "`masked_fill` fills where its mask is True: hand it `~legal`.",
        ),
        Slip(
            torch.tensor([1, 0, 2, 0, 0, 0]),
            "Your numbers count within the legal moves only, so they no longer name an action.",
            "Keep all three columns, and make the forbidden ones lose.",
        ),
        Slip(
            torch.tensor([0, 1, 0, 1, 0, 1]),
            "You took the first legal move, whatever it is worth.",
            "Choose by `q` among the legal ones.",
        ),
        case="Q-values of both signs, and one game without a legal move",
    )
    for games in (40, 1):
        q, legal, want = _masked_question(attempt, games)
        attempt.expect(
            attempt(q, legal),
            want,
            Slip(
                want.squeeze(),
                "With a single game, the batch axis disappeared.",
                "A bare `squeeze()` drops every axis of length 1.",
            ),
            case="a single game" if games == 1 else "Q-values far below zero",
        )


def _masked_question(attempt: Attempt, games: int) -> tuple[Tensor, Tensor, Tensor]:
    """Built from the answer: the answer is best among the legal ones, the others look better."""
    want = torch.randint(3, (games,), generator=attempt.random)
    answer = F.one_hot(want, 3).bool()
    legal = answer | (torch.rand(games, 3, generator=attempt.random) < 0.5)
    q = torch.rand(games, 3, generator=attempt.random) + 2.0 * answer + 9.0 * ~legal
    return q - 10_000, legal, want


# ---------------------------------------------------------------------------- what it remembers

ENTRIES = 6  # of the buffer under test


@exercise(
    "One row is one memory: its five parts travel together. A ring that overwrites its oldest "
    "rows keeps memory bounded, and the agent's past recent.",
    takes=type,
)
def Replay(attempt: Attempt) -> None:
    """Replay(capacity, shape), with add(batch), len(…), sample(count, generator) → Batch."""
    replay = attempt(ENTRIES, (2,))
    _add(attempt, replay, 1, 4)
    attempt.expect(
        attempt.run(lambda: len(replay)),
        4,
        Slip(
            ENTRIES,
            "`len` gives the capacity, although only 4 transitions have been added.",
            "Count what was added, up to the capacity.",
        ),
        name="`len(replay)`",
        case="4 transitions in a buffer of 6",
    )
    _holds(attempt, _drawn(attempt, replay, 200), range(1, 5), "4 transitions in a buffer of 6")
    _add(attempt, replay, 5, 5)
    case = "9 transitions in a buffer of 6"
    _holds(attempt, _drawn(attempt, replay, 3000), range(4, 10), case)
    attempt.expect(
        attempt.run(lambda: len(replay)),
        ENTRIES,
        Slip(
            9,
            "`len` counts everything that was ever added.",
            "It must not exceed the capacity: older transitions are gone.",
        ),
        name="`len(replay)`",
        case=case,
    )
    _add(attempt, replay, 10, 1)
    _holds(attempt, _drawn(attempt, replay, 3000), range(5, 11), "one more transition after that")
    _draws_by_generator(attempt, replay)


def _numbered(numbers: Tensor) -> Batch:
    """Transitions that can be told apart: number k ≥ 1 shows in each of its five parts."""
    k = numbers.float()
    observation = torch.stack([k, -k], 1)  # (N, 2)
    return Batch(observation, numbers % 3, k / 10, k / 100, observation + 100)


def _add(attempt: Attempt, replay: object, first: int, count: int) -> None:
    batch = _numbered(torch.arange(first, first + count))
    attempt.run(lambda: replay.add(batch))
    for values in vars(batch).values():
        if isinstance(values, Tensor):
            values.fill_(77)  # as an environment does that uses its arrays again


def _drawn(attempt: Attempt, replay: object, count: int) -> Tensor:
    """The numbers of `count` sampled transitions, (count,), after a look at their parts."""
    got = attempt.run(lambda: replay.sample(count, _generator(3)))
    if got is None or got is ...:
        attempt.expect(got, torch.zeros(count))
    if not isinstance(got, Batch):
        attempt.stop(
            f"`sample` gives back {kind(got)}, not a Batch.",
            "End it with `return Batch(observation, action, reward, discount, next_observation)`.",
        )
    like = _numbered(torch.ones(count, dtype=torch.int64))
    for name, want in vars(like).items():
        _expect_like(attempt, getattr(got, name), want, f"`{name}` of the sample")
    numbers = got.observation[:, 0].round().long()
    _rows_are_whole(attempt, got, numbers)
    return numbers


def _rows_are_whole(attempt: Attempt, got: Batch, numbers: Tensor) -> None:
    if (numbers == 77).any():
        attempt.stop(
            "A stored transition changed afterwards: the buffer kept the caller's tensor, which "
            "the caller used again for something else.",
            "Copy the values: write them into a tensor of your own, or `.clone()` them.",
        )
    if (numbers == 0).any():
        attempt.stop(
            "Your sample contains rows that were never filled: zeros instead of transitions.",
            "Draw from the first `len(self)` rows, not from the whole capacity.",
        )
    for name, want in vars(_numbered(numbers)).items():
        if not torch.equal(getattr(got, name), want):
            attempt.stop(
                f"`{name}` belongs to another transition than `observation` does: the parts of a "
                "row were drawn separately.",
                "Draw the row numbers once, and use them for all five parts.",
                expected=want[:5],
                gave=getattr(got, name)[:5],
            )


def _holds(attempt: Attempt, numbers: Tensor, wanted: range, case: str) -> None:
    """Stop unless all the wanted transitions, and no others, come about equally often."""
    seen, counts = numbers.unique(return_counts=True)
    seen, want = seen.tolist(), list(wanted)
    why, next_step = "", "Write row i at position (added + i) % capacity."
    if len(seen) == 1:
        why = "Every row of a sample is the same transition: one number was drawn for all."
        next_step = "Draw `count` row numbers, `torch.randint(len(self), (count,), …)`."
    elif seen == list(range(1, 10)):
        why = "Nothing is ever forgotten: the buffer grows without an end."
        next_step = "Keep `capacity` rows, and overwrite the oldest."
    elif seen == list(range(1, 7)):
        why = "A full buffer takes in nothing new: it keeps the oldest transitions for ever."
    elif seen == list(range(5, 10)) and wanted[0] == 4:
        why = "A full buffer forgot everything at once and began anew."
    elif seen != want and set(seen) <= set(want):
        why = "Some of the transitions are never drawn, or are no longer there."
    elif seen != want:
        why = "The wrong transitions were overwritten: not the oldest ones."
    elif len(numbers) / len(want) * 0.7 > counts.min():
        why = "Some transitions are drawn far more often than others."
        next_step = "Each row should be equally likely: `torch.randint(len(self), (count,), …)`."
    if why:
        attempt.stop(
            f"{why} (Seen with {case}.)",
            next_step,
            expected=torch.tensor(want),
            gave=torch.tensor(seen),
        )


def _draws_by_generator(attempt: Attempt, replay: object) -> None:
    generator = _generator(3)
    first, second = (attempt.run(lambda: replay.sample(50, generator)) for _ in range(2))
    if torch.equal(first.reward, second.reward):
        attempt.stop(
            "Two samples in a row were the same 50 transitions.",
            "Use the generator you are given as it is; set no seed inside `sample`.",
        )
    again = attempt.run(lambda: replay.sample(50, _generator(3)))
    if not torch.equal(first.reward, again.reward):
        attempt.stop(
            "The same generator state gave another sample: your chance comes from elsewhere.",
            "Pass `generator=generator` to `torch.randint`.",
        )


# ---------------------------------------------------------------------------- what it learns from


@exercise(
    "After death there is nothing to come, so the reward stands alone. After a mere interruption "
    "there would have been: the network's estimate stays in. And the target is a number, not a "
    "path for gradients."
)
def dqn_target(attempt: Attempt) -> None:
    """dqn_target(target, reward, next_observation, terminated, truncated, gamma) → (N,)."""
    values = torch.tensor([[1.0, 4, 2], [10, 20, 30], [-5, -6, -4], [3, 2, 1]])
    target, after = QTable(values), _rows(0, 1, 2, 3)
    reward = torch.tensor([1.0, -1.0, 0.5, 0.0])
    terminated = torch.tensor([False, True, False, False])
    truncated = torch.tensor([False, False, True, False])
    want = torch.tensor([3.0, -1.0, -1.5, 1.5])
    best = torch.tensor([4.0, 30.0, -4.0, 3.0])
    got = attempt(target, reward, after, terminated, truncated, 0.5)
    attempt.expect(
        got,
        want,
        Slip(
            torch.tensor([3.0, 14.0, -1.5, 1.5]),
            "The terminal mask is missing: the dead snake's future is still counted.",
            "Where `terminated` is True, the target is the reward alone.",
        ),
        Slip(
            torch.tensor([3.0, -1.0, 0.5, 1.5]),
            "You treat truncation like death. That game was stopped from outside; it would have "
            "gone on.",
            "Only `terminated` cuts the future off.",
        ),
        Slip(
            torch.tensor([3.0, 14.0, 0.5, 1.5]),
            "Terminated and truncated are exchanged: the dead live on, the stopped are dead.",
            "`terminated` means the game itself was over.",
        ),
        Slip(
            torch.tensor([1.0, 14.0, 0.5, 0.0]),
            "The mask is upside down: only the dead have a future.",
            "Multiply by `~terminated`, that is 1 where the game goes on.",
        ),
        Slip(
            torch.tensor([3.0, 0.0, -1.5, 1.5]),
            "You masked the reward as well: the agent would never feel its death.",
            "The mask belongs to the future alone: reward + mask · γ · …",
        ),
        Slip(
            torch.tensor([5.0, -1.0, -3.5, 3.0]),
            "The discount γ is missing.",
            "What comes one step later counts γ times.",
        ),
        Slip(
            reward + 0.5 * ~terminated * values.mean(1),
            "You averaged over the actions. The greedy player takes the best one.",
            "Use the maximum over dimension 1.",
        ),
        Slip(
            torch.tensor([1.5, -1.0, 1.5, 0.0]),
            "You used the number of the best action where its Q-value belongs.",
            "`argmax` says which, `amax` (or `max(1).values`) says how much.",
        ),
        Slip(
            torch.tensor([16.0, -1.0, 15.5, 15.0]),
            "You took one maximum for the whole batch.",
            "Each transition has its own best action: reduce over `dim=1` only.",
        ),
        Slip(
            reward + 0.5 * ~terminated * best[:, None],
            "You built an N × N table: rewards of shape (N,) met values of shape (N, 1).",
            "Take the maximum without `keepdim=True`.",
        ),
        case="γ = 0.5, next Q-values (1, 4, 2), (10, 20, 30), (-5, -6, -4), (3, 2, 1)",
    )
    _expect_no_gradient(attempt, got)
    for count, share in ((9, 0.4), (1, 0.0), (4, 1.0)):
        best, reward = torch.randn(2, count, generator=attempt.random)
        values = _rows_with_maximum(attempt, best)
        terminated = torch.rand(count, generator=attempt.random) < share
        truncated = ~terminated & (torch.rand(count, generator=attempt.random) < 0.5)
        numbers = zip(reward.tolist(), best.tolist(), terminated.tolist(), strict=True)
        want = torch.tensor([r if over else r + 0.9 * q for r, q, over in numbers])
        attempt.expect(
            attempt(QTable(values), reward, _rows(*range(count)), terminated, truncated, 0.9),
            want,
            Slip(
                want.squeeze(),
                "With a single transition, the batch axis disappeared.",
                "A bare `squeeze()` drops every axis of length 1.",
            ),
            case="a single transition" if count == 1 else f"{count} transitions",
        )


def _rows_with_maximum(attempt: Attempt, best: Tensor) -> Tensor:
    """(N, 3): the largest of row i is best[i], somewhere."""
    below = torch.rand(len(best), 3, generator=attempt.random)
    below[range(len(best)), torch.randint(3, (len(best),), generator=attempt.random)] = 0
    return best[:, None] - below


def _expect_no_gradient(attempt: Attempt, got: Tensor) -> None:
    if got.requires_grad:
        attempt.stop(
            "The values are right, but a gradient can flow through the target: the optimizer "
            "would move the goal towards the shot.",
            "Compute it under `torch.no_grad()`, or `.detach()` the result.",
        )


@exercise(
    "One network chooses, the other one values. A maximum over noisy guesses is too high; two "
    "networks rarely err on the same move, so Double DQN's targets stay sober."
)
def double_dqn_target(attempt: Attempt) -> None:
    """double_dqn_target(online, target, batch) → (N,)."""
    online = QTable([[1.0, 5, 2], [7, 0, 3], [2, 1, 9], [6, 8, 4]])
    target = QTable([[10.0, 20, 30], [4, 6, 8], [1, 2, -3], [40, 50, 70]])
    reward, discount = torch.tensor([1.0, 0.0, -1.0, 2.0]), torch.tensor([0.5, 0.5, 0.0, 1.0])
    batch = Batch(_rows(3, 3, 3, 3), torch.zeros(4).long(), reward, discount, _rows(0, 1, 2, 0))
    value = torch.tensor([20.0, 4.0, -3.0, 20.0])
    want = torch.tensor([11.0, 2.0, -1.0, 22.0])
    got = _on_batch(attempt, online, target, batch)
    attempt.expect(
        got,
        want,
        Slip(
            torch.tensor([16.0, 4.0, -1.0, 32.0]),
            "That is plain DQN: the target network chooses and values.",
            "Let the online network choose the action.",
        ),
        Slip(
            torch.tensor([2.0, 1.5, -1.0, 4.0]),
            "The roles are exchanged: the target network chooses, the online network values.",
            "`argmax` from online, the value from target.",
        ),
        Slip(
            torch.tensor([3.5, 3.5, -1.0, 7.0]),
            "The online network chooses and values: the target network is not used.",
            "Take the value of the chosen action from target.",
        ),
        Slip(
            torch.tensor([3.5, 2.0, -1.0, 7.0]),
            "You took the smaller of the two networks' values. That is another method (clipped "
            "double Q-learning), and lower still.",
            "Take the target network's value of the chosen action, whatever it is.",
        ),
        Slip(
            torch.tensor([21.0, 4.0, -4.0, 22.0]),
            "The discount is missing, and with it the terminal mask: it is 0 after the last move.",
            "Multiply the value by `batch.discount`.",
        ),
        Slip(
            reward + discount * torch.tensor([50.0] * 4),
            "You looked at the positions before the move.",
            "The future begins at `batch.next_observation`.",
        ),
        Slip(
            reward + discount * value[:, None],
            "You built an N × N table: `gather` leaves (N, 1), and the rewards are (N,).",
            "`squeeze(1)` after `gather`.",
        ),
        Slip(
            reward + discount * torch.tensor([1.0, 0.0, 2.0, 1.0]),
            "You used the number of the best action where its Q-value belongs.",
            "`gather` takes the value of that action out of the target network's row.",
        ),
        case="next Q-values online (1, 5, 2), target (10, 20, 30) in rows 0 and 3",
    )
    _expect_no_gradient(attempt, got)
    for count in (8, 1):
        online, target, batch = _random_batch(attempt, count)
        want = agent.double_dqn_target(online, target, batch)
        attempt.expect(
            _on_batch(attempt, online, target, batch),
            want,
            Slip(
                want.squeeze(),
                "With a single transition, the batch axis disappeared.",
                "Name the axis: `squeeze(1)`.",
            ),
            case="a single transition" if count == 1 else f"{count} random transitions",
        )


def _on_batch(attempt: Attempt, online: nn.Module, target: nn.Module, batch: Batch) -> object:
    """Call the learner's function; its batch and networks must come back as they were."""
    kept = copy.deepcopy((online.state_dict(), target.state_dict(), vars(batch)))
    got = attempt(online, target, batch)
    now = (online.state_dict(), target.state_dict(), vars(batch))
    for before, after in zip(kept, now, strict=True):
        for name, values in before.items():
            if not (isinstance(after.get(name), Tensor) and torch.equal(after[name], values)):
                attempt.stop(
                    f"Your code changed what it was given (`{name}`). The caller still needs it.",
                    "Compute new tensors; write into none of the batch or of the networks.",
                )
    return got


def _random_batch(attempt: Attempt, count: int) -> tuple[nn.Module, nn.Module, Batch]:
    """Two linear networks on 4 features, and transitions of which about a third are the last."""
    online, target = nn.Linear(4, 3), nn.Linear(4, 3)
    observation, after = torch.randn(2, count, 4, generator=attempt.random)
    action = torch.randint(3, (count,), generator=attempt.random)
    reward, dice = torch.randn(2, count, generator=attempt.random)
    return online, target, Batch(observation, action, reward, 0.9 * (dice < 0.5), after)


@exercise(
    "The loss compares the Q-value of the action that was taken, (N,), with a fixed target, "
    "(N,). A stray axis turns that into N × N comparisons, and the network learns one mean."
)
def dqn_loss(attempt: Attempt) -> None:
    """dqn_loss(online, target, batch) → () float32."""
    nan = [0.0] * 3
    online = QTable([[1.0, 2, 3], [0, -1, 4], [5, 6, 7], [9, 1, 1], [0, 0, 3]])
    target = QTable([nan, nan, nan, [2.0, 8, 8], [1, 1, 4]])
    reward, discount = torch.tensor([-1.0, 1.5, 4.75]), torch.tensor([0.5, 0.5, 0.0])
    batch = Batch(_rows(0, 1, 2), torch.tensor([1, 2, 0]), reward, discount, _rows(3, 4, 3))
    q, goal = torch.tensor([2.0, 4.0, 5.0]), torch.tensor([0.0, 3.5, 4.75])
    want = torch.tensor((1.5 + 0.125 + 0.03125) / 3)  # Huber of the errors 2, 1/2 and 1/4
    huber = F.smooth_l1_loss
    table = huber(q[:, None].expand(3, 3), goal.expand(3, 3))
    loss = _on_batch(attempt, online, target, batch)
    attempt.expect(
        loss,
        want,
        Slip(
            table,
            "You compared every Q-value with every target, N × N of them: (N, 1) met (N,).",
            "`squeeze(1)` after `gather`, so that both sides have shape (N,).",
        ),
        Slip(
            huber(q, goal, reduction="none"),
            "The losses are right, but there is one for each transition.",
            "Average them: the optimizer needs a single number.",
        ),
        Slip(
            huber(q, goal, reduction="sum"),
            "You added the losses up. Then the step would grow with the batch.",
            "Average over the batch.",
        ),
        Slip(
            (q - goal).square().mean(),
            "That is the squared error. One surprising death would outweigh everything else.",
            "Use the Huber loss, `F.smooth_l1_loss`.",
        ),
        Slip(
            huber(torch.tensor([3.0, 4.0, 7.0]), goal),
            "You used the best action's Q-value, not that of the action that was taken.",
            "Pick the column with `batch.action`.",
        ),
        Slip(
            huber(q, torch.tensor([3.0, 3.5, 4.75])),
            "Your target is that of plain DQN: the target network chose the action, too.",
            "Use Double DQN's target, as in the exercise before.",
        ),
        Slip(
            huber(q, torch.tensor([3.5, 3.0, 4.75])),
            "The online network made its own target.",
            "Let the target network value the action that online chose.",
        ),
        Slip(
            huber(q, torch.tensor([1.0, 5.5, 6.75])),
            "The discount is missing from the target, and with it the terminal mask.",
            "Multiply the future by `batch.discount`.",
        ),
        case="3 transitions with errors 2, 0.5 and 0.25",
    )
    _expect_gradient_of_loss(attempt, loss, online, target)
    for count in (6, 1):
        online, target, batch = _random_batch(attempt, count)
        want = agent.dqn_loss(online, target, batch).detach()
        case = "a single transition" if count == 1 else f"{count} random transitions"
        attempt.expect(_on_batch(attempt, online, target, batch), want, case=case)


def _expect_gradient_of_loss(
    attempt: Attempt, loss: Tensor, online: QTable, target: QTable
) -> None:
    if not loss.requires_grad:
        attempt.stop(
            "The value is right, but no gradient reaches the online network: nothing would learn.",
            "Only the target is computed without gradients, not the Q-values of the batch.",
        )
    attempt.run(loss.backward, may_change=True)
    if target.values.grad is not None:
        attempt.stop(
            "A gradient flows through the target: the goal would move towards the shot.",
            "Compute the target under `torch.no_grad()`, or `.detach()` it.",
        )
    want = torch.zeros(5, 3)
    want[[0, 1, 2], [1, 2, 0]] = torch.tensor([1.0, 0.5, 0.25]) / 3
    gave = torch.zeros(5, 3) if online.values.grad is None else online.values.grad
    attempt.expect(gave, want, name="the gradient of the online network's Q-values")


# ---------------------------------------------------------------------------- when it copies


@exercise(
    "The target network is a photograph of the online one: taken now and then, complete with "
    "buffers, and not changing by itself in between."
)
def sync_target(attempt: Attempt) -> None:
    """sync_target(online, target, gradient_steps, every): changes target in place."""
    online, target = _networks(attempt)
    first = _state(target)
    _sync(attempt, online, target, 7, 5)
    if not _equal(_state(target), first):
        attempt.stop(
            "After 7 gradient steps, with `every` = 5, you copied: the target should stand still "
            "until step 10.",
            "Copy only if `gradient_steps` is a multiple of `every`.",
        )
    _sync(attempt, online, target, 10, 5)
    _judge_copy(attempt, _state(online), _state(target), first)
    with torch.no_grad():
        for values in online.state_dict().values():
            values += 1
    if _equal(_state(target), _state(online)):
        attempt.stop(
            "The target follows every later step of the online network: the two share memory.",
            "Copy the numbers, with `load_state_dict` or `copy_`; assign no parameters.",
        )
    _sync(attempt, online, target, 11, 5)
    _sync(attempt, online, target, 3, 1)
    if not _equal(_state(target), _state(online)):
        attempt.stop(
            "With `every` = 1 each step is a moment to copy, and yours is not.",
            "`gradient_steps % every == 0` holds for every step then.",
        )


def _networks(attempt: Attempt) -> tuple[nn.Module, nn.Module]:
    """Two networks of one kind, every parameter and every buffer different."""
    online = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    target = copy.deepcopy(online).requires_grad_(False)
    with torch.no_grad():
        for values in online.state_dict().values():
            values += torch.randint(1, 9, values.shape, generator=attempt.random)
    return online, target.eval()


def _state(model: nn.Module) -> dict[str, Tensor]:
    return copy.deepcopy(model.state_dict())


def _equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def _sync(
    attempt: Attempt, online: nn.Module, target: nn.Module, gradient_steps: int, every: int
) -> None:
    before = _state(online)
    attempt(online, target, gradient_steps, every)
    if not _equal(before, _state(online)):
        attempt.stop(
            "You changed the online network: the copy went the wrong way, and undid what was "
            "learnt.",
            "Read from `online`, write into `target`.",
        )
    if any(values.requires_grad for values in target.parameters()):
        attempt.stop(
            "The target's parameters now ask for gradients; before your call they did not.",
            "Copy the numbers into the parameters that are there.",
        )


def _judge_copy(
    attempt: Attempt, online: dict[str, Tensor], target: dict[str, Tensor], first: dict[str, Tensor]
) -> None:
    if _equal(target, online):
        return
    if _equal(target, first):
        attempt.stop(
            "After 10 gradient steps, with `every` = 5, the target is still what it was: it is "
            "never synced.",
            "`target = …` only gives the name a new meaning inside your function. Change the "
            "network itself: `target.load_state_dict(…)`.",
        )
    differ = [name for name in online if not torch.equal(online[name], target.get(name))]
    if all("running" in name or "tracked" in name for name in differ):
        attempt.stop(
            f"The parameters arrived, the buffers did not ({differ[0]}).",
            "`state_dict()` holds both; `parameters()` does not.",
        )
    attempt.stop(
        f"`{differ[0]}` of the target lies between its old value and the online network's, or is "
        "something else: this is no full copy.",
        "A *soft* update moves a little at each step. Here, copy everything at once.",
        expected=online[differ[0]],
        gave=target[differ[0]],
    )
