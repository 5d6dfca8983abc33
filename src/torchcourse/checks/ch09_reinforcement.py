"""Checkers of chapter 9's lab."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from torchcourse.checks.core import Attempt, Slip, exercise


@exercise(
    "A mean needs no list: move the old estimate towards the new reward by one n-th of the way. "
    "Every learner of this chapter is a variation of that line."
)
def update_mean(attempt: Attempt) -> None:
    """update_mean(q, n, arm, reward): (K,), (K,) int64, int, float → the same two, updated."""
    q, n = torch.tensor([0.5, 0.2, 0.0]), torch.tensor([4, 3, 0])
    counted = torch.tensor([4, 4, 0])
    attempt.expect(
        attempt(q.clone(), n.clone(), 1, 1.0),
        (torch.tensor([0.5, 0.4, 0.0]), counted),
        Slip(
            (torch.tensor([0.5, 0.2 + 0.8 / 3, 0.0]), counted),
            "You divided by the old count, which does not include the new reward.",
            "Raise the count first: with the fourth reward the step is 1/4.",
        ),
        Slip(
            (torch.tensor([0.5, 0.4, 0.0]), n),
            "The mean is right, but the count is still the old one.",
            "Return a count with 1 added at the chosen arm.",
        ),
        Slip(
            (torch.tensor([0.5, 0.2 + 0.8 / 8, 0.0]), counted),
            "You divided by the number of all rewards, of every arm together.",
            "Each arm keeps a mean of its own: use `n[arm]`, not `n.sum()`.",
        ),
        Slip(
            (torch.tensor([0.6, 0.4, 1.0]), torch.tensor([5, 4, 1])),
            "You updated every arm, but only one was tried.",
            "Change entry `arm` alone; of the others nothing was seen.",
        ),
        Slip(
            (torch.tensor([0.5, 0.45, 0.0]), counted),
            "You added a share of the whole reward; the old estimate is not taken off first.",
            "The step goes along the surprise, `reward - q[arm]`.",
        ),
    )
    attempt.expect(
        attempt(q.clone(), n.clone(), 2, -3.0),
        (torch.tensor([0.5, 0.2, -3.0]), torch.tensor([4, 3, 1])),
        Slip(
            (torch.tensor([0.5, 0.2, torch.nan]), torch.tensor([4, 3, 1])),
            "An arm that was never tried gives 0/0.",
            "Raise the count before you divide.",
        ),
        case="an arm that was never tried",
    )
    rewards = torch.rand(6, generator=attempt.random)
    q, n = torch.zeros(5), torch.zeros(5, dtype=torch.int64)
    for reward in rewards.tolist():
        result = attempt(q, n, 3, reward)
        q, n = result if isinstance(result, tuple) and len(result) == 2 else (q, n)
    want = F.one_hot(torch.tensor(3), 5)
    attempt.expect(result, (want * rewards.mean(), want * 6), case="six rewards in a row")


@exercise(
    "A policy is a table of probabilities. Curiosity gives every action ε / A, and the best ones "
    "share the rest, so that no tie is settled by the order of the columns."
)
def epsilon_greedy(attempt: Attempt) -> None:
    """epsilon_greedy(q, epsilon): (B, A), float → (B, A) probabilities."""
    q = torch.tensor([[1.0, 3.0, 0.0, 2.0], [5.0, 4.0, 5.0, 1.0]])
    want = torch.tensor([[0.1, 0.7, 0.1, 0.1], [0.4, 0.1, 0.4, 0.1]])
    attempt.expect(
        attempt(q, 0.4),
        want,
        Slip(
            torch.tensor([[0.1, 0.7, 0.1, 0.1], [0.7, 0.1, 0.1, 0.1]]),
            "Of two equally good actions only the first is favoured.",
            "`argmax` settles ties by position. Compare with the row's maximum instead.",
        ),
        Slip(
            torch.tensor([[0.1, 0.7, 0.1, 0.1], [0.7, 0.1, 0.7, 0.1]]),
            "Each of the tied actions got the whole greedy share, so the row adds up to more "
            "than 1.",
            "Divide the greedy share by the number of actions that are tied.",
        ),
        Slip(
            torch.tensor([[0.4 / 3, 0.6, 0.4 / 3, 0.4 / 3], [0.3, 0.2, 0.3, 0.2]]),
            "You explore only among the actions that are not the best.",
            "A random action may be the best one as well: every action gets ε / A.",
        ),
        Slip(
            torch.tensor([[0.15, 0.55, 0.15, 0.15], [0.35, 0.15, 0.35, 0.15]]),
            "ε and 1 - ε are exchanged: you explore when you should be greedy.",
            "ε is the share of random actions.",
        ),
        Slip(
            torch.tensor([[0.1, 0.1, 0.1, 0.1], [0.4, 0.1, 0.4, 0.1]]),
            "You took the largest value of the whole batch, so some rows have no best action.",
            "Each row has a maximum of its own: `dim=1`, with `keepdim=True`.",
        ),
        Slip(
            q.softmax(dim=1),
            "That is a softmax: all actions count by their value, and ε does nothing.",
            "ε-greedy looks only at which value is the largest.",
        ),
    )
    for batch, actions, epsilon in ((5, 3, 0.0), (3, 6, 1.0), (1, 2, 0.3)):
        best = torch.randint(actions, (batch,), generator=attempt.random)
        q = torch.rand(batch, actions, generator=attempt.random) - 2
        q[torch.arange(batch), best] = 0.5
        want = torch.lerp(
            F.one_hot(best, actions).float(), torch.full_like(q, 1 / actions), epsilon
        )
        attempt.expect(
            attempt(q, epsilon),
            want,
            Slip(
                want.squeeze(0),
                "With a single row, the batch axis disappeared.",
                "A batch of one is still a batch: the shape is (1, A).",
            ),
            case=f"ε = {epsilon:g}" + (" and a batch of one" if batch == 1 else ""),
        )


@exercise(
    "The future counts unless the world has ended. A clock that was stopped is no end, and the "
    "target is a number to aim at, so no gradient flows through it."
)
def bellman_target(attempt: Attempt) -> None:
    """bellman_target(reward, next_q, terminated, truncated, gamma): (N,), (N, A) … → (N,)."""
    reward = torch.tensor([1.0, 2.0, -1.0])
    next_q = torch.tensor([[10.0, 4.0], [6.0, 8.0], [2.0, -3.0]])
    ended, cut = torch.tensor([False, True, False]), torch.tensor([False, False, True])
    want = torch.tensor([6.0, 2.0, 0.0])
    attempt.expect(
        attempt(reward, next_q, ended, cut, 0.5),
        want,
        Slip(
            torch.tensor([6.0, 6.0, 0.0]),
            "You count a future after the end: the terminal mask is missing.",
            "Where `terminated` is True, only the reward remains.",
        ),
        Slip(
            torch.tensor([6.0, 2.0, -1.0]),
            "You treat a truncated step as terminated. There only the clock was stopped; the "
            "world would have gone on.",
            "Mask by `terminated` alone.",
        ),
        Slip(
            torch.tensor([6.0, 6.0, -1.0]),
            "You mask the truncated steps and not the terminated ones: the two are exchanged.",
            "Mask by `terminated`.",
        ),
        Slip(
            torch.tensor([1.0, 6.0, -1.0]),
            "The mask is upside down: you count a future only where the world has ended.",
            "The future counts where `terminated` is False, `~terminated`.",
        ),
        Slip(
            torch.tensor([6.0, 0.0, 0.0]),
            "The mask takes the last reward away as well. It was really earned.",
            "Mask the future only, then add the reward.",
        ),
        Slip(
            torch.tensor([4.5, 2.0, -1.25]),
            "You averaged over the next actions, although the agent will choose the best one.",
            "Take the maximum over the actions.",
        ),
        Slip(
            torch.tensor([5.5, 1.0, 0.5]),
            "You shrink the reward by γ as well, but it is earned now.",
            "Multiply only the future by γ.",
        ),
        Slip(
            torch.tensor([[6.0, 2.0, 4.0], [5.0, 2.0, 3.0], [2.0, 2.0, 0.0]]),
            "Each reward met every future: (N,) with (N, 1) gives (N, N).",
            "Leave out `keepdim=True`, so that the maximum has shape (N,).",
        ),
        Slip(
            torch.tensor([[6.0, 7.0, 4.0], [1.0, 2.0, -1.0], [2.0, 3.0, 0.0]]),
            "Each reward met every future: (N,) with (N, 1) gives (N, N).",
            "Leave out `keepdim=True`, so that the maximum has shape (N,).",
        ),
    )
    for count, actions in ((4, 4), (6, 3), (1, 2)):
        best = torch.randn(count, generator=attempt.random)
        worse = best[:, None] - torch.rand(count, actions - 1, generator=attempt.random)
        next_q = torch.cat([worse, best[:, None]], dim=1)
        ended = torch.arange(count) % 3 == 1
        want = torch.randn(count, generator=attempt.random)
        reward = torch.where(ended, want, want - 0.9 * best)
        case = "a batch of one" if count == 1 else f"{count} steps and {actions} actions"
        attempt.expect(attempt(reward, next_q, ended, ~ended, 0.9), want, case=case)
    result = attempt(reward, next_q.requires_grad_(), ended, ended, 0.9)
    if isinstance(result, Tensor) and result.requires_grad:
        attempt.stop(
            "The values are right, but a gradient flows through the target: learning would move "
            "the goal towards the estimate.",
            "Compute it under `with torch.no_grad():`, or end with `.detach()`.",
        )


@exercise(
    "One symbol separates the two: Q-learning imagines the best next action, SARSA takes the one "
    "that really comes. So only Q-learning may learn from what others did."
)
def td_update(attempt: Attempt) -> None:
    """td_update(q, s, a, r, s2, a2, terminated, alpha, gamma, sarsa): (S, A) … → (S, A)."""
    q = torch.tensor([[1.0, 2.0], [4.0, 8.0], [6.0, 3.0]])
    step = (0, 1, 1.0, 1, 0)  # state, action, reward, next state, next action

    def table(value: float, state: int = 0, action: int = 1) -> Tensor:
        entry = F.one_hot(torch.tensor(2 * state + action), 6).view(3, 2).bool()
        return torch.where(entry, torch.tensor(value), q)

    common = (
        Slip(
            table(5.0),
            "You wrote the target itself into the table; α does nothing.",
            "Move by α times the difference between target and old value.",
        ),
        Slip(
            table(3.0 + 1.5),
            "You added α times the target, without taking the old value off it.",
            "The difference is target minus the old `q[s, a]`.",
        ),
        Slip(
            table(-0.5 + 1.0),
            "The step goes the wrong way, away from the target.",
            "The difference is target minus old value, not the other way round.",
        ),
    )
    attempt.expect(
        attempt(q.clone(), *step, False, 0.5, 0.5, False),
        table(3.5),
        *common,
        Slip(
            table(2.5),
            "With `sarsa=False` you used the action that really came next. That is SARSA.",
            "Q-learning takes the largest value of the next state, whatever is done there.",
        ),
        Slip(
            table(4.5, 1, 0),
            "You changed the entry of the next state. Learnt is the value of where the step began.",
            "Write to `[s, a]`.",
        ),
        case="Q-learning",
    )
    attempt.expect(
        attempt(q.clone(), *step, False, 0.5, 0.5, True),
        table(2.5),
        Slip(
            table(3.5),
            "With `sarsa=True` you still took the best next action. That is Q-learning.",
            "SARSA takes `q[s2, a2]`, the action that really comes next.",
        ),
        case="SARSA",
    )
    for sarsa in (False, True):
        attempt.expect(
            attempt(q.clone(), *step, True, 0.5, 0.5, sarsa),
            table(1.5),
            Slip(
                table(2.5 if sarsa else 3.5),
                "The episode is over, but you still count the next state.",
                "With `terminated` the target is the reward alone.",
            ),
            Slip(
                q,
                "When the episode ends you learn nothing, although its last reward is often the "
                "only one.",
                "Update in any case; only the future is left out.",
            ),
            case="the last step of an episode",
        )
    loop = table(0.5 * 2.0 + 0.5 * (-1.0 + 0.9 * 2.0))
    attempt.expect(
        attempt(q.clone(), 0, 1, -1.0, 0, 0, False, 0.5, 0.9, False),
        loop,
        case="a step that leads back to where it began",
    )


@exercise(
    "Forbidden actions get -inf, so no value, however low, can lose against them. Multiplying by "
    "the mask would turn them into 0, which beats every bad legal action."
)
def best_legal(attempt: Attempt) -> None:
    """best_legal(q, legal): (B, A) float, (B, A) bool → (B,) int64."""
    q = torch.tensor([[1.0, 5, 3, 9], [-4, -1, -2, -3], [7, 2, 6, 4], [8, 1, 2, 3]])
    legal = torch.tensor([[1, 0, 1, 0], [1, 0, 0, 1], [0, 0, 1, 1], [1, 1, 0, 0]]).bool()
    want = torch.tensor([2, 3, 2, 0])
    attempt.expect(
        attempt(q, legal),
        want,
        Slip(
            torch.tensor([3, 1, 0, 0]),
            "You took the best of all actions, forbidden ones included.",
            "Take forbidden actions out of the race before `argmax`.",
        ),
        Slip(
            torch.tensor([2, 1, 2, 0]),
            "Multiplying by the mask makes a forbidden action worth 0, which beats every negative "
            "value.",
            "Use `masked_fill` or `torch.where` with `-torch.inf`.",
        ),
        Slip(
            torch.tensor([1, 1, 0, 0]),
            "You return the place among the legal actions, not the number of the action itself.",
            "Leaving entries out renumbers the rest. Keep all A columns and fill.",
        ),
        Slip(
            torch.tensor([3, 1, 0, 3]),
            "The mask is upside down: you chose among the forbidden actions.",
            "True means legal, so fill where `~legal`.",
        ),
        Slip(
            torch.tensor([3.0, -3.0, 6.0, 8.0]),
            "You return the value of the best legal action, not its number.",
            "`argmax` gives positions, `max` gives values.",
        ),
        Slip(
            want[:, None],
            "The actions are right, but an axis of length 1 is left: (B, 1).",
            "Leave out `keepdim=True`.",
        ),
    )
    for batch, actions in ((4, 4), (5, 3), (1, 6)):
        want = torch.randint(actions, (batch,), generator=attempt.random)
        chosen = F.one_hot(want, actions).bool()
        legal = chosen | (torch.rand(batch, actions, generator=attempt.random) < 0.5)
        noise = torch.rand(batch, actions, generator=attempt.random)
        # Legal: below -1e12, the wanted one the highest of them; forbidden: above.
        q = torch.where(legal, -2e12 - 1e12 * noise, noise)
        q[chosen] = -1.5e12
        attempt.expect(
            attempt(q, legal),
            want,
            Slip(
                q.masked_fill(~legal, -1e9).argmax(dim=1),
                "You fill forbidden actions with a finite number, and here every legal value is "
                "lower still.",
                "`-torch.inf` is below everything.",
            ),
            Slip(
                want.squeeze(),
                "With a single row, the batch axis disappeared.",
                "One row is still a batch: name the dimension, `argmax(dim=1)`.",
            ),
            case="very low values" + (" in a batch of one" if batch == 1 else ""),
        )


@exercise(
    "Three shapes of trouble: the action must be gathered, the axis of length 1 must go, and the "
    "target must stay still. Each of them runs without an error."
)
def dqn_loss(attempt: Attempt) -> None:
    """dqn_loss(q, next_q, action, reward, terminated, gamma): (N, A), (N, A), (N,) … → ()."""
    q = torch.tensor([[1.0, 3.0], [2.0, 5.0]])
    next_q = torch.tensor([[4.0, 2.0], [9.0, 9.0]])
    action, reward = torch.tensor([1, 0]), torch.tensor([1.0, 4.0])
    ended = torch.tensor([False, True])  # targets 1 + 0.5 · 4 = 3 and 4; errors 0 and -2
    attempt.expect(
        attempt(q, next_q, action, reward, ended, 0.5),
        torch.tensor(0.75),
        Slip(
            torch.tensor((0.0 + 0.5 + 0.5 + 1.5) / 4),
            "Every value is compared with every target: (N, 1) against (N,) gives N × N errors.",
            "`gather` leaves an axis of length 1; take it away with `squeeze(1)`.",
        ),
        Slip(
            torch.tensor(2.0),
            "That is the squared error, in which single large errors rule.",
            "Use Huber's loss, `F.smooth_l1_loss`.",
        ),
        Slip(
            torch.tensor(1.5),
            "You added the errors up; the step would grow with the batch.",
            "Take the mean over the batch.",
        ),
        Slip(
            torch.tensor(0.25),
            "You compared the best value of each row, not that of the action that was taken.",
            "Only the action taken was followed by this reward: `gather` it.",
        ),
        Slip(
            torch.tensor(3.0),
            "You count a future after the end: the terminal mask is missing.",
            "Multiply the future by `~terminated`.",
        ),
    )
    for count, actions in ((5, 5), (4, 3), (1, 2)):
        action = torch.randint(actions, (count,), generator=attempt.random)
        ended = torch.arange(count) % 2 == 1
        best = torch.rand(count, generator=attempt.random)
        error = 0.5 * torch.rand(count, generator=attempt.random) + 0.1
        target = torch.randn(count, generator=attempt.random)
        q = torch.randn(count, actions, generator=attempt.random) + 5
        q[torch.arange(count), action] = target + error
        reward = torch.where(ended, target, target - 0.9 * best)
        next_q = best[:, None].expand(count, actions) - torch.arange(actions)
        case = "a batch of one" if count == 1 else f"{count} transitions, {actions} actions"
        want = (error**2 / 2).mean()
        attempt.expect(attempt(q, next_q, action, reward, ended, 0.9), want, case=case)
    given = (action, reward, ended, 0.9)
    _expect_target_at_rest(attempt, q.clone(), next_q.clone(), given)
    attempt.expect_gradient(q, next_q, *given)


def _expect_target_at_rest(attempt: Attempt, q: Tensor, next_q: Tensor, given: tuple) -> None:
    """Stop if the loss has a gradient with respect to the next values."""
    loss = attempt(q.requires_grad_(), next_q.requires_grad_(), *given)
    if isinstance(loss, Tensor) and loss.requires_grad:
        attempt.run(loss.backward, may_change=True)
    if next_q.grad is not None and bool(next_q.grad.ne(0).any()):
        attempt.stop(
            "The value is right, but the gradient also flows through the target: the goal moves "
            "towards the estimate.",
            "Compute the target under `with torch.no_grad():`.",
        )
