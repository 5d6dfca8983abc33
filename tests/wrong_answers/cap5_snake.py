"""Answers to the exercises of capstone 5, an agent that plays Snake."""

from __future__ import annotations

import copy

import numpy as np
import torch
import torch.nn.functional as F

from torchcourse.capstones.snake.agent import Batch
from torchcourse.capstones.snake.engine import MOVES, Event, turn
from wrong_answers import right, wrong


class danger:
    @wrong("marks a move that kills")
    def answers_safe(body, heading, width, height):
        return 1 - torch.tensor(_deadly(body, heading, width, height))

    @wrong("wherever the snake is heading")
    def uses_compass_directions(body, heading, width, height):
        return torch.tensor(_deadly(body, 1, width, height))

    @wrong("Left and right are exchanged")
    def exchanges_left_and_right(body, heading, width, height):
        return torch.tensor(_deadly(body, heading, width, height)).flip(0)

    @wrong("forgot the walls")
    def forgets_walls(body, heading, width, height):
        return torch.tensor(_deadly(body, heading, 10**6, 10**6, lowest=-(10**6)))

    @wrong("one cell too far away")
    def counts_from_one(body, heading, width, height):
        return torch.tensor(_deadly(body, heading, width + 1, height + 1))

    @wrong("Width and height are exchanged")
    def exchanges_width_and_height(body, heading, width, height):
        return torch.tensor(_deadly(body, heading, height, width))

    @wrong("y grows downwards")
    def lets_y_grow_upwards(body, heading, width, height):
        moves = [(dx, -dy) for dx, dy in MOVES]
        return torch.tensor(_deadly(body, heading, width, height, moves=moves))

    @wrong("count the tail's cell as deadly")
    def counts_the_tail(body, heading, width, height):
        return torch.tensor(_deadly([*body, (-1, -1)], heading, width, height))

    @wrong("forgot the body")
    def forgets_the_body(body, heading, width, height):
        return torch.tensor(_deadly(body[:1], heading, width, height))

    @wrong("True and False")
    def returns_bool(body, heading, width, height):
        return torch.tensor(_deadly(body, heading, width, height)).bool()

    @wrong("with the body straight ahead and on the right")
    def sees_only_the_first_cells(body, heading, width, height):
        return torch.tensor(_deadly([*body[:4], (-1, -1)], heading, width, height))

    @wrong("changed its input")
    def cuts_the_tail_off(body, heading, width, height):
        answer = _deadly(body, heading, width, height)
        body.pop()
        return torch.tensor(answer)

    @right
    def by_set(body, heading, width, height):
        taken = set(body[:-1])
        answer = []
        for action in range(3):
            dx, dy = MOVES[turn(heading, action)]
            x, y = body[0][0] + dx, body[0][1] + dy
            outside = x < 0 or y < 0 or x >= width or y >= height
            answer.append(1.0 if outside or (x, y) in taken else 0.0)
        return torch.tensor(answer)

    @right
    def by_padded_board(body, heading, width, height):
        board = torch.ones(height + 2, width + 2)
        board[1:-1, 1:-1] = 0
        for x, y in body[:-1]:
            board[y + 1, x + 1] = 1
        (x, y), around = body[0], [(0, -1), (1, 0), (0, 1), (-1, 0)]
        steps = [around[(heading + side) % 4] for side in (-1, 0, 1)]
        return torch.stack([board[y + 1 + dy, x + 1 + dx] for dx, dy in steps])


def _deadly(body, heading, width, height, lowest=0, moves=MOVES):
    answer = []
    for action in range(3):
        dx, dy = moves[turn(heading, action)]
        x, y = body[0][0] + dx, body[0][1] + dy
        inside = lowest <= x < width and lowest <= y < height
        answer.append(float(not inside or (x, y) in body[:-1]))
    return answer


class step_rewards:
    @wrong("Winning brought nothing")
    def forgets_the_win(events, approach, food, death, closer):
        return food * (events == Event.ATE) + death * _died(events) + closer * approach

    @wrong("You punished the winner")
    def takes_every_end_for_death(events, approach, food, death, closer):
        return food * _ate(events) + death * (events >= Event.HIT_WALL) + closer * approach

    @wrong("Biting its own body cost nothing")
    def forgets_the_bite(events, approach, food, death, closer):
        return food * _ate(events) + death * (events == Event.HIT_WALL) + closer * approach

    @wrong("Running into the wall cost nothing")
    def forgets_the_wall(events, approach, food, death, closer):
        return food * _ate(events) + death * (events == Event.HIT_SELF) + closer * approach

    @wrong("take nothing back")
    def pays_for_every_approach(events, approach, food, death, closer):
        return food * _ate(events) + death * _died(events) + closer * approach.clamp(min=0)

    @wrong("the sign of `approach` is turned round")
    def pays_for_moving_away(events, approach, food, death, closer):
        return food * _ate(events) + death * _died(events) - closer * approach

    @wrong("Dying is rewarded")
    def subtracts_a_negative_number(events, approach, food, death, closer):
        return food * _ate(events) - death * _died(events) + closer * approach

    @wrong("lost its share of `approach`")
    def chooses_instead_of_adding(events, approach, food, death, closer):
        reward = torch.where(_died(events), death, closer * approach)
        return torch.where(_ate(events), food, reward)

    @wrong("dtype torch.int64")
    def rounds(events, approach, food, death, closer):
        return (food * _ate(events) + death * _died(events) + closer * approach).long()

    @right
    def by_sums(events, approach, food, death, closer):
        return food * _ate(events) + death * _died(events) + closer * approach

    @right
    def by_table(events, approach, food, death, closer):
        worth = torch.tensor([0.0, food, death, death, food])  # in the order of Event
        return worth[events] + closer * approach

    @right
    def by_game(events, approach, food, death, closer):
        total = []
        for event, gained in zip(events.tolist(), approach.tolist(), strict=True):
            reward = closer * gained
            if event in (Event.ATE, Event.WON):
                reward += food
            elif event != Event.MOVED:
                reward += death
            total.append(reward)
        return torch.tensor(total)


def _ate(events):
    return (events == Event.ATE) | (events == Event.WON)


def _died(events):
    return (events == Event.HIT_WALL) | (events == Event.HIT_SELF)


class choose_actions:
    @wrong("ε is upside down")
    def explores_upside_down(q, epsilon, generator):
        explore = torch.rand(len(q), generator=generator) >= epsilon
        return torch.where(explore, torch.randint(3, (len(q),), generator=generator), q.argmax(1))

    @wrong("the best game of each action")
    def reduces_over_games(q, epsilon, generator):
        return q.argmax(0)

    @wrong("an axis of length 1 is left")
    def keeps_the_axis(q, epsilon, generator):
        explore = torch.rand(len(q), 1, generator=generator) < epsilon
        chance = torch.randint(3, (len(q), 1), generator=generator)
        return torch.where(explore, chance, q.argmax(1, keepdim=True))

    @wrong("how good the best action is")
    def returns_values(q, epsilon, generator):
        return q.max(1).values

    @wrong("the worst action")
    def takes_the_worst(q, epsilon, generator):
        return _explore(q, -q, epsilon, generator)

    @wrong("one throw for the whole batch")
    def same_random_move_for_all(q, epsilon, generator):
        explore = torch.rand(len(q), generator=generator) < epsilon
        return torch.where(explore, torch.randint(3, (), generator=generator), q.argmax(1))

    @wrong("one throw decides for the whole batch")
    def all_or_none_explore(q, epsilon, generator):
        if torch.rand((), generator=generator) < epsilon:
            return torch.randint(3, (len(q),), generator=generator)
        return q.argmax(1)

    @wrong("never the best one")
    def never_greedy_by_chance(q, epsilon, generator):
        explore = torch.rand(len(q), generator=generator) < epsilon
        other = torch.randint(1, 3, (len(q),), generator=generator)
        return (q.argmax(1) + other * explore) % 3

    @wrong("do not come equally often")
    def forgets_the_last_action(q, epsilon, generator):
        explore = torch.rand(len(q), generator=generator) < epsilon
        return torch.where(explore, torch.randint(2, (len(q),), generator=generator), q.argmax(1))

    @wrong("there are only 0, 1 and 2")
    def draws_a_fourth_action(q, epsilon, generator):
        explore = torch.rand(len(q), generator=generator) < epsilon
        return torch.where(explore, torch.randint(4, (len(q),), generator=generator), q.argmax(1))

    @wrong("the dice start anew each time")
    def seeds_inside(q, epsilon, generator):
        return _explore(q, q, epsilon, torch.Generator().manual_seed(0))

    @wrong("part of your chance comes from elsewhere")
    def ignores_the_generator(q, epsilon, generator):
        return _explore(q, q, epsilon, None)

    @wrong("whether to explore and where to")
    def one_number_for_both(q, epsilon, generator):
        number = torch.rand(len(q), generator=generator)
        return torch.where(number < epsilon, (number * 3).long(), q.argmax(1))

    @wrong("With ε = 0.5, a third of the moves")
    def squares_epsilon(q, epsilon, generator):
        return _explore(q, q, epsilon**2, generator)

    @right
    def by_where(q, epsilon, generator):
        return _explore(q, q, epsilon, generator)

    @right
    def by_assignment(q, epsilon, generator):
        actions = q.max(dim=1).indices
        explore = torch.bernoulli(torch.full((len(q),), float(epsilon)), generator=generator).bool()
        actions[explore] = torch.randint(3, (int(explore.sum()),), generator=generator)
        return actions

    @right
    def by_game(q, epsilon, generator):
        actions = []
        for row in q:
            if torch.rand((), generator=generator).item() < epsilon:
                actions.append(torch.randint(3, (), generator=generator).item())
            else:
                actions.append(row.argmax().item())
        return torch.tensor(actions)


def _explore(q, by, epsilon, generator):
    explore = torch.rand(len(q), generator=generator) < epsilon
    return torch.where(explore, torch.randint(3, (len(q),), generator=generator), by.argmax(1))


class legal_argmax:
    @wrong("You ignored the mask")
    def ignores_the_mask(q, legal):
        return q.argmax(1)

    @wrong("0 is more than a negative Q-value")
    def multiplies(q, legal):
        return (q * legal).argmax(1)

    @wrong("without any legal move")
    def forgets_the_fallback(q, legal):
        return q.masked_fill(~legal, -torch.inf).argmax(1)

    @wrong("upside down")
    def masks_the_legal(q, legal):
        best = q.masked_fill(legal, -torch.inf).argmax(1)
        return torch.where(legal.any(1), best, q.argmax(1))

    @wrong("within the legal moves only")
    def counts_within_the_legal(q, legal):
        rows = zip(q, legal, strict=True)
        return torch.stack([(v[ok] if ok.any() else v).argmax() for v, ok in rows])

    @wrong("the first legal move")
    def takes_the_first(q, legal):
        return legal.int().argmax(1)

    @wrong("with a single game")
    def squeezes(q, legal):
        return _masked(q, legal).squeeze()

    @wrong("with Q-values far below zero")
    def fills_with_a_number_that_is_too_large(q, legal):
        return q.masked_fill(~legal & legal.any(1, keepdim=True), -100.0).argmax(1)

    @wrong("changed its input")
    def fills_in_place(q, legal):
        fallback = q.argmax(1)
        q[~legal] = -torch.inf
        return torch.where(legal.any(1), q.argmax(1), fallback)

    @right
    def by_filling(q, legal):
        return _masked(q, legal)

    @right
    def by_sorting(q, legal):
        order = q.argsort(1, descending=True)
        return order.gather(1, legal.gather(1, order).int().argmax(1, keepdim=True)).squeeze(1)

    @right
    def by_game(q, legal):
        chosen = []
        for values, allowed in zip(q.tolist(), legal.tolist(), strict=True):
            moves = [move for move in range(3) if allowed[move]] or [0, 1, 2]
            chosen.append(max(moves, key=values.__getitem__))
        return torch.tensor(chosen)


def _masked(q, legal):
    forbidden = ~legal & legal.any(1, keepdim=True)
    return torch.where(forbidden, -torch.inf, q).argmax(1)


class _Ring:
    """A right answer, from which most wrong ones differ in one method."""

    def __init__(self, capacity, shape):
        self.columns = {
            "observation": torch.zeros(capacity, *shape),
            "action": torch.zeros(capacity, dtype=torch.int64),
            "reward": torch.zeros(capacity),
            "discount": torch.zeros(capacity),
            "next_observation": torch.zeros(capacity, *shape),
        }
        self.capacity, self.added = capacity, 0

    def __len__(self):
        return min(self.added, self.capacity)

    def places(self, count):
        return (self.added + torch.arange(count)) % self.capacity

    def add(self, batch):
        places = self.places(len(batch.action))
        for name, column in self.columns.items():
            column[places] = getattr(batch, name)
        self.added += len(batch.action)

    def rows(self, count, generator):
        return torch.randint(len(self), (count,), generator=generator)

    def sample(self, count, generator):
        rows = self.rows(count, generator)
        return Batch(**{name: column[rows] for name, column in self.columns.items()})


class _Growing:
    """Keeps a list of transitions; `forget` decides what happens when it is too long."""

    def __init__(self, capacity, shape):
        self.capacity, self.memory = capacity, []

    def __len__(self):
        return len(self.memory)

    def add(self, batch):
        parts = [values.clone() for values in vars(batch).values()]
        for row in zip(*parts, strict=True):
            self.memory.append(row)
            self.forget()

    def forget(self):
        if len(self.memory) > self.capacity:
            self.memory.pop(0)

    def sample(self, count, generator):
        rows = torch.randint(len(self.memory), (count,), generator=generator).tolist()
        chosen = [self.memory[row] for row in rows]
        return Batch(*(torch.stack(column) for column in zip(*chosen, strict=True)))


class Replay:
    @wrong("never filled")
    class draws_from_the_whole_capacity(_Ring):
        def rows(self, count, generator):
            return torch.randint(self.capacity, (count,), generator=generator)

    @wrong("drawn separately")
    class draws_each_column(_Ring):
        def sample(self, count, generator):
            columns = self.columns.items()
            return Batch(**{name: c[self.rows(count, generator)] for name, c in columns})

    @wrong("without an end")
    class grows_without_an_end(_Growing):
        def forget(self):
            pass

    @wrong("keeps the oldest transitions for ever")
    class stops_when_full(_Growing):
        def forget(self):
            del self.memory[self.capacity :]

    @wrong("forgot everything at once")
    class clears_when_full(_Growing):
        def add(self, batch):
            if len(self.memory) + len(batch.action) > self.capacity:
                self.memory.clear()
            super().add(batch)

    @wrong("not the oldest ones")
    class overwrites_any_row(_Growing):
        def forget(self):
            if len(self.memory) > self.capacity:
                self.memory.pop(-2)

    @wrong("with one more transition after that")
    class goes_back_to_the_start(_Ring):
        def places(self, count):
            return super().places(count) if self.added < 9 else torch.arange(count)

    @wrong("kept the caller's tensor")
    class keeps_references(_Growing):
        def add(self, batch):
            for row in zip(*vars(batch).values(), strict=True):
                self.memory.append(row)
                self.forget()

    @wrong("gives the capacity")
    class reports_the_capacity(_Ring):
        def __len__(self):
            return self.capacity

        def rows(self, count, generator):
            return torch.randint(min(self.added, self.capacity), (count,), generator=generator)

    @wrong("counts everything that was ever added")
    class counts_all(_Ring):
        def __len__(self):
            return self.added

        def rows(self, count, generator):
            high = min(self.added, self.capacity)
            return torch.randint(high, (count,), generator=generator)

    @wrong("the same transition")
    class draws_one_row(_Ring):
        def rows(self, count, generator):
            return torch.randint(len(self), (1,), generator=generator).expand(count)

    @wrong("never drawn")
    class never_draws_the_last(_Ring):
        def rows(self, count, generator):
            return torch.randint(len(self) - 1, (count,), generator=generator)

    @wrong("far more often")
    class prefers_early_rows(_Ring):
        def rows(self, count, generator):
            return (torch.rand(count, generator=generator) ** 3 * len(self)).long()

    @wrong("Two samples in a row")
    class seeds_inside(_Ring):
        def rows(self, count, generator):
            return torch.randint(len(self), (count,), generator=torch.Generator().manual_seed(0))

    @wrong("your chance comes from elsewhere")
    class ignores_the_generator(_Ring):
        def rows(self, count, generator):
            return torch.randint(len(self), (count,))

    @wrong("has shape (4, 2), but (200, 2)")
    class draws_without_replacement(_Ring):
        def rows(self, count, generator):
            return torch.randperm(len(self), generator=generator)[:count]

    @wrong("gives back a tuple")
    class returns_a_tuple(_Ring):
        def sample(self, count, generator):
            return tuple(vars(super().sample(count, generator)).values())

    ring = right(_Ring)
    list_of_rows = right(_Growing)

    @right
    class concatenates(_Ring):
        def __init__(self, capacity, shape):
            self.capacity, self.kept = capacity, None

        def __len__(self):
            return len(self.kept.action)

        def add(self, batch):
            new = copy.deepcopy(vars(batch))
            old = vars(self.kept) if self.kept else {name: new[name][:0] for name in new}
            self.kept = Batch(**{n: torch.cat([old[n], new[n]])[-self.capacity :] for n in new})

        def sample(self, count, generator):
            rows = self.rows(count, generator)
            return Batch(**{name: values[rows] for name, values in vars(self.kept).items()})


class dqn_target:
    @wrong("The terminal mask is missing")
    def no_terminal_mask(target, reward, next_observation, terminated, truncated, gamma):
        return reward + gamma * _best(target, next_observation)

    @wrong("treat truncation like death")
    def truncation_as_termination(target, reward, next_observation, terminated, truncated, gamma):
        return reward + gamma * _best(target, next_observation) * ~(terminated | truncated)

    @wrong("Terminated and truncated are exchanged")
    def masks_the_truncated(target, reward, next_observation, terminated, truncated, gamma):
        return reward + gamma * _best(target, next_observation) * ~truncated

    @wrong("The mask is upside down")
    def mask_upside_down(target, reward, next_observation, terminated, truncated, gamma):
        return reward + gamma * _best(target, next_observation) * terminated

    @wrong("You masked the reward as well")
    def masks_the_reward(target, reward, next_observation, terminated, truncated, gamma):
        return (reward + gamma * _best(target, next_observation)) * ~terminated

    @wrong("The discount γ is missing")
    def forgets_gamma(target, reward, next_observation, terminated, truncated, gamma):
        return reward + _best(target, next_observation) * ~terminated

    @wrong("You averaged over the actions")
    @torch.no_grad()
    def averages(target, reward, next_observation, terminated, truncated, gamma):
        return reward + gamma * target(next_observation).mean(1) * ~terminated

    @wrong("the number of the best action")
    def uses_argmax(target, reward, next_observation, terminated, truncated, gamma):
        return reward + gamma * target(next_observation).argmax(1) * ~terminated

    @wrong("one maximum for the whole batch")
    @torch.no_grad()
    def maximum_of_the_batch(target, reward, next_observation, terminated, truncated, gamma):
        return reward + gamma * target(next_observation).max() * ~terminated

    @wrong("N × N table")
    @torch.no_grad()
    def keeps_the_axis(target, reward, next_observation, terminated, truncated, gamma):
        best = target(next_observation).max(1, keepdim=True).values
        return reward + gamma * best * ~terminated

    @wrong("a gradient can flow through the target")
    def gradient_through_the_target(target, reward, next_observation, terminated, truncated, gamma):
        return reward + gamma * target(next_observation).amax(1) * ~terminated

    @wrong("the batch axis disappeared")
    def squeezes(target, reward, next_observation, terminated, truncated, gamma):
        return (reward + gamma * _best(target, next_observation) * ~terminated).squeeze()

    @right
    def by_mask(target, reward, next_observation, terminated, truncated, gamma):
        return reward + gamma * _best(target, next_observation) * ~terminated

    @right
    def by_where(target, reward, next_observation, terminated, truncated, gamma):
        with torch.no_grad():
            future = gamma * target(next_observation).max(dim=1).values
        return torch.where(terminated, reward, reward + future)

    @right
    def by_assignment(target, reward, next_observation, terminated, truncated, gamma):
        future = target(next_observation).detach().sort(1).values[:, -1] * gamma
        future[terminated] = 0
        return future + reward


@torch.no_grad()
def _best(network, observation):
    return network(observation).amax(1)


class double_dqn_target:
    @wrong("plain DQN")
    def plain_dqn(online, target, batch):
        return batch.reward + batch.discount * _best(target, batch.next_observation)

    @wrong("The roles are exchanged")
    def exchanges_the_roles(online, target, batch):
        return _double(target, online, batch)

    @wrong("the target network is not used")
    def uses_only_online(online, target, batch):
        return _double(online, online, batch)

    @wrong("the smaller of the two")
    def takes_the_minimum(online, target, batch):
        values = torch.stack([_double(online, n, batch) for n in (online, target)])
        return values.amin(0)

    @wrong("The discount is missing")
    def forgets_the_discount(online, target, batch):
        return _double(online, target, _changed(batch, discount=torch.ones_like(batch.reward)))

    @wrong("the positions before the move")
    def looks_back(online, target, batch):
        return _double(online, target, _changed(batch, next_observation=batch.observation))

    @wrong("N × N table")
    @torch.no_grad()
    def forgets_to_squeeze(online, target, batch):
        best = online(batch.next_observation).argmax(1, keepdim=True)
        value = target(batch.next_observation).gather(1, best)
        return batch.reward + batch.discount * value

    @wrong("the number of the best action")
    @torch.no_grad()
    def uses_the_action_as_value(online, target, batch):
        return batch.reward + batch.discount * online(batch.next_observation).argmax(1)

    @wrong("a gradient can flow through the target")
    def gradient_through_the_target(online, target, batch):
        best = online(batch.next_observation).argmax(1, keepdim=True)
        value = target(batch.next_observation).gather(1, best).squeeze(1)
        return batch.reward + batch.discount * value

    @wrong("the batch axis disappeared")
    def squeezes(online, target, batch):
        return _double(online, target, batch).squeeze()

    @wrong("changed what it was given (`reward`)")
    def adds_in_place(online, target, batch):
        want = _double(online, target, batch)
        batch.reward += want - batch.reward
        return batch.reward

    @right
    def by_gather(online, target, batch):
        return _double(online, target, batch)

    @right
    def by_index(online, target, batch):
        after = batch.next_observation
        rows = torch.arange(len(after))
        with torch.no_grad():
            return batch.reward + batch.discount * target(after)[rows, online(after).max(1).indices]

    @right
    def by_one_hot(online, target, batch):
        chosen = F.one_hot(online(batch.next_observation).argmax(1), 3)
        value = (target(batch.next_observation) * chosen).sum(1)
        return (batch.reward + batch.discount * value).detach()


def _double(chooser, judge, batch, grad=False):
    with torch.set_grad_enabled(grad):
        best = chooser(batch.next_observation).argmax(1, keepdim=True)
        value = judge(batch.next_observation).gather(1, best).squeeze(1)
        return batch.reward + batch.discount * value


def _changed(batch, **parts):
    return Batch(**(vars(batch) | parts))


def _taken(online, batch):
    return online(batch.observation).gather(1, batch.action[:, None]).squeeze(1)


class dqn_loss:
    @wrong("N × N of them")
    def broadcasts(online, target, batch):
        q = online(batch.observation).gather(1, batch.action[:, None])
        error = (q - _double(online, target, batch)).abs()
        return torch.where(error < 1, error**2 / 2, error - 0.5).mean()

    @wrong("one for each transition")
    def forgets_the_mean(online, target, batch):
        goal = _double(online, target, batch)
        return F.smooth_l1_loss(_taken(online, batch), goal, reduction="none")

    @wrong("the step would grow with the batch")
    def sums(online, target, batch):
        goal = _double(online, target, batch)
        return F.smooth_l1_loss(_taken(online, batch), goal, reduction="sum")

    @wrong("the squared error")
    def squares(online, target, batch):
        return F.mse_loss(_taken(online, batch), _double(online, target, batch))

    @wrong("not that of the action that was taken")
    def takes_the_best(online, target, batch):
        return F.smooth_l1_loss(online(batch.observation).amax(1), _double(online, target, batch))

    @wrong("that of plain DQN")
    def plain_dqn(online, target, batch):
        goal = batch.reward + batch.discount * _best(target, batch.next_observation)
        return F.smooth_l1_loss(_taken(online, batch), goal)

    @wrong("made its own target")
    def uses_only_online(online, target, batch):
        return F.smooth_l1_loss(_taken(online, batch), _double(online, online, batch))

    @wrong("with it the terminal mask")
    def forgets_the_discount(online, target, batch):
        without = _changed(batch, discount=torch.ones_like(batch.reward))
        return F.smooth_l1_loss(_taken(online, batch), _double(online, target, without))

    @wrong("A gradient flows through the target")
    def gradient_through_the_target(online, target, batch):
        return F.smooth_l1_loss(_taken(online, batch), _double(online, target, batch, grad=True))

    @wrong("no gradient reaches the online network")
    def detaches_too_much(online, target, batch):
        return F.smooth_l1_loss(_taken(online, batch).detach(), _double(online, target, batch))

    @right
    def by_gather(online, target, batch):
        return F.smooth_l1_loss(_taken(online, batch), _double(online, target, batch))

    @right
    def by_hand(online, target, batch):
        q = online(batch.observation)[torch.arange(len(batch.action)), batch.action]
        error = (q - _double(online, target, batch, grad=True).detach()).abs()
        return torch.where(error < 1, error**2 / 2, error - 0.5).mean()

    @right
    def by_huber(online, target, batch):
        q = (online(batch.observation) * F.one_hot(batch.action, 3)).sum(1)
        return torch.nn.HuberLoss()(q, _double(online, target, batch))


class sync_target:
    @wrong("never synced")
    def gives_the_name_away(online, target, gradient_steps, every):
        if gradient_steps % every == 0:
            target = copy.deepcopy(online)
        return target

    @wrong("should stand still")
    def copies_at_each_step(online, target, gradient_steps, every):
        target.load_state_dict(online.state_dict())

    @wrong("went the wrong way")
    def copies_the_wrong_way(online, target, gradient_steps, every):
        if gradient_steps % every == 0:
            online.load_state_dict(target.state_dict())

    @wrong("the two share memory")
    def shares_memory(online, target, gradient_steps, every):
        if gradient_steps % every == 0:
            target.load_state_dict(online.state_dict())
            for mine, its in zip(target.parameters(), online.parameters(), strict=True):
                mine.data = its.data
            for mine, its in zip(target.buffers(), online.buffers(), strict=True):
                mine.data = its.data

    @wrong("the buffers did not")
    def forgets_buffers(online, target, gradient_steps, every):
        if gradient_steps % every == 0:
            with torch.no_grad():
                for mine, its in zip(target.parameters(), online.parameters(), strict=True):
                    mine.copy_(its)

    @wrong("this is no full copy")
    def moves_a_little(online, target, gradient_steps, every):
        if gradient_steps % every == 0:
            with torch.no_grad():
                for mine, its in zip(target.parameters(), online.parameters(), strict=True):
                    mine.lerp_(its, 0.01)

    @wrong("now ask for gradients")
    def thaws_the_target(online, target, gradient_steps, every):
        if gradient_steps % every == 0:
            target.load_state_dict(online.state_dict())
            target.requires_grad_()

    @wrong("With `every` = 1")
    def is_late_by_one(online, target, gradient_steps, every):
        if gradient_steps % every == 0 and gradient_steps >= every * 2 and every > 1:
            target.load_state_dict(online.state_dict())

    @wrong("changed its input")
    def changes_the_mode(online, target, gradient_steps, every):
        if gradient_steps % every == 0:
            target.load_state_dict(online.state_dict())
            target.train()

    @right
    def by_state_dict(online, target, gradient_steps, every):
        if gradient_steps % every == 0:
            target.load_state_dict(online.state_dict())

    @right
    def by_copying(online, target, gradient_steps, every):
        if not np.remainder(gradient_steps, every):
            its = online.state_dict()
            for name, values in target.state_dict().items():
                values.copy_(its[name])

    @right
    def by_guard(online, target, gradient_steps, every):
        if gradient_steps % every:
            return target
        with torch.no_grad():
            target.load_state_dict(copy.deepcopy(online.state_dict()))
        return target
