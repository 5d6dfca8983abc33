"""Answers to the exercises of chapter 9."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from wrong_answers import right, wrong


class update_mean:
    @wrong("divided by the old count")
    def divides_too_early(q, n, arm, reward):
        q, n = q.clone(), n.clone()
        q[arm] += (reward - q[arm]) / n[arm].clamp(min=1)
        n[arm] += 1
        return q, n

    @wrong("the count is still the old one")
    def forgets_to_count(q, n, arm, reward):
        q = q.clone()
        q[arm] += (reward - q[arm]) / (n[arm] + 1)
        return q, n

    @wrong("number of all rewards")
    def counts_all_arms(q, n, arm, reward):
        q, n = q.clone(), n.clone()
        n[arm] += 1
        q[arm] += (reward - q[arm]) / n.sum()
        return q, n

    @wrong("updated every arm")
    def updates_all(q, n, arm, reward):
        return q + (reward - q) / (n + 1), n + 1

    @wrong("a share of the whole reward")
    def adds_the_reward(q, n, arm, reward):
        q, n = q.clone(), n.clone()
        n[arm] += 1
        q[arm] += reward / n[arm]
        return q, n

    @wrong("0/0")
    def undoes_the_mean(q, n, arm, reward):
        q, n = q.clone(), n.clone()
        total = q[arm] / n[arm] * n[arm] ** 2 + reward
        n[arm] += 1
        q[arm] = total / n[arm]
        return q, n

    @wrong("changed its input")
    def works_in_place(q, n, arm, reward):
        n[arm] += 1
        q[arm] += (reward - q[arm]) / n[arm]
        return q.clone(), n.clone()

    @right
    def by_surprise(q, n, arm, reward):
        q, n = q.clone(), n.clone()
        n[arm] += 1
        q[arm] += (reward - q[arm]) / n[arm]
        return q, n

    @right
    def by_mask(q, n, arm, reward):
        chosen = F.one_hot(torch.tensor(arm), len(q))
        return q + chosen * (reward - q) / (n + 1), n + chosen

    @right
    def by_the_sum(q, n, arm, reward):
        n_new = n.clone()
        n_new[arm] = n[arm] + 1
        q_new = q.clone()
        q_new[arm] = (q[arm] * n[arm] + reward) / n_new[arm]
        return q_new, n_new


class epsilon_greedy:
    @wrong("only the first is favoured")
    def settles_ties_by_position(q, epsilon):
        best = F.one_hot(q.argmax(1), q.shape[1]).float()
        return epsilon / q.shape[1] + (1 - epsilon) * best

    @wrong("adds up to more than 1")
    def pays_each_tie_in_full(q, epsilon):
        best = (q == q.max(1, keepdim=True).values).float()
        return epsilon / q.shape[1] + (1 - epsilon) * best

    @wrong("only among the actions that are not the best")
    def explores_among_the_others(q, epsilon):
        best = (q == q.max(1, keepdim=True).values).float()
        others = 1 - best
        share = (1 - epsilon) * best / best.sum(1, keepdim=True)
        return share + epsilon * others / others.sum(1, keepdim=True)

    @wrong("are exchanged")
    def exchanges_the_shares(q, epsilon):
        best = (q == q.max(1, keepdim=True).values).float()
        return (1 - epsilon) / q.shape[1] + epsilon * best / best.sum(1, keepdim=True)

    @wrong("largest value of the whole batch")
    def forgets_dim(q, epsilon):
        best = (q == q.max()).float()
        return epsilon / q.shape[1] + (1 - epsilon) * best / best.sum(1, keepdim=True).clamp(min=1)

    @wrong("softmax")
    def softens(q, epsilon):
        return q.softmax(dim=1)

    @wrong("the batch axis disappeared")
    def squeezes(q, epsilon):
        best = (q == q.max(1, keepdim=True).values).float()
        policy = epsilon / q.shape[1] + (1 - epsilon) * best / best.sum(1, keepdim=True)
        return policy.squeeze()

    @right
    def by_comparison(q, epsilon):
        best = (q == q.max(dim=1, keepdim=True).values).float()
        greedy = best / best.sum(dim=1, keepdim=True)
        return epsilon / q.shape[1] + (1 - epsilon) * greedy

    @right
    def by_row(q, epsilon):
        rows = []
        for row in q:
            best = row == row.max()
            policy = torch.full_like(row, epsilon / len(row))
            policy[best] += (1 - epsilon) / best.sum()
            rows.append(policy)
        return torch.stack(rows)


class bellman_target:
    @wrong("terminal mask is missing")
    def no_mask(reward, next_q, terminated, truncated, gamma):
        return reward + gamma * next_q.max(1).values

    @wrong("truncated step as terminated")
    def masks_both(reward, next_q, terminated, truncated, gamma):
        return reward + gamma * next_q.max(1).values * ~(terminated | truncated)

    @wrong("the two are exchanged")
    def masks_the_truncated(reward, next_q, terminated, truncated, gamma):
        return reward + gamma * next_q.max(1).values * ~truncated

    @wrong("upside down")
    def turns_the_mask(reward, next_q, terminated, truncated, gamma):
        return reward + gamma * next_q.max(1).values * terminated

    @wrong("takes the last reward away")
    def masks_the_reward(reward, next_q, terminated, truncated, gamma):
        return (reward + gamma * next_q.max(1).values) * ~terminated

    @wrong("averaged over the next actions")
    def takes_the_mean(reward, next_q, terminated, truncated, gamma):
        return reward + gamma * next_q.mean(1) * ~terminated

    @wrong("You shrink the reward by γ")
    def discounts_the_reward(reward, next_q, terminated, truncated, gamma):
        return gamma * (reward + next_q.max(1).values * ~terminated)

    @wrong("Each reward met every future")
    def keeps_the_axis(reward, next_q, terminated, truncated, gamma):
        return reward + gamma * next_q.max(1, keepdim=True).values * ~terminated

    @wrong("a gradient flows through the target")
    def lets_the_gradient_flow(reward, next_q, terminated, truncated, gamma):
        return torch.where(terminated, reward, reward + gamma * next_q.amax(dim=1))

    @right
    def with_a_mask(reward, next_q, terminated, truncated, gamma):
        with torch.no_grad():
            return reward + gamma * next_q.max(dim=1).values * ~terminated

    @right
    def with_where(reward, next_q, terminated, truncated, gamma):
        future = gamma * next_q.detach().sort(dim=1).values[:, -1]
        return torch.where(terminated, reward, reward + future)


class td_update:
    @wrong("wrote the target itself")
    def ignores_alpha(q, s, a, r, s2, a2, terminated, alpha, gamma, sarsa):
        q = q.clone()
        later = q[s2, a2] if sarsa else q[s2].max()
        q[s, a] = r + gamma * later * (not terminated)
        return q

    @wrong("without taking the old value off")
    def adds_the_target(q, s, a, r, s2, a2, terminated, alpha, gamma, sarsa):
        q = q.clone()
        later = q[s2, a2] if sarsa else q[s2].max()
        q[s, a] += alpha * (r + gamma * later * (not terminated))
        return q

    @wrong("the wrong way, away from the target")
    def flees(q, s, a, r, s2, a2, terminated, alpha, gamma, sarsa):
        q = q.clone()
        later = q[s2, a2] if sarsa else q[s2].max()
        q[s, a] -= alpha * (r + gamma * later * (not terminated) - q[s, a])
        return q

    @wrong("That is SARSA")
    def always_sarsa(q, s, a, r, s2, a2, terminated, alpha, gamma, sarsa):
        q = q.clone()
        q[s, a] += alpha * (r + gamma * q[s2, a2] * (not terminated) - q[s, a])
        return q

    @wrong("That is Q-learning")
    def always_q_learning(q, s, a, r, s2, a2, terminated, alpha, gamma, sarsa):
        q = q.clone()
        q[s, a] += alpha * (r + gamma * q[s2].max() * (not terminated) - q[s, a])
        return q

    @wrong("entry of the next state")
    def writes_to_the_next_state(q, s, a, r, s2, a2, terminated, alpha, gamma, sarsa):
        q = q.clone()
        later = q[s2, a2] if sarsa else q[s2].max()
        q[s2, a2] += alpha * (r + gamma * later * (not terminated) - q[s2, a2])
        return q

    @wrong("you still count the next state")
    def no_mask(q, s, a, r, s2, a2, terminated, alpha, gamma, sarsa):
        q = q.clone()
        later = q[s2, a2] if sarsa else q[s2].max()
        q[s, a] += alpha * (r + gamma * later - q[s, a])
        return q

    @wrong("learn nothing")
    def skips_the_last_step(q, s, a, r, s2, a2, terminated, alpha, gamma, sarsa):
        q = q.clone()
        later = q[s2, a2] if sarsa else q[s2].max()
        if not terminated:
            q[s, a] += alpha * (r + gamma * later - q[s, a])
        return q

    @wrong("changed its input")
    def works_in_place(q, s, a, r, s2, a2, terminated, alpha, gamma, sarsa):
        before = q.clone()
        later = before[s2, a2] if sarsa else before[s2].max()
        q[s, a] += alpha * (r + gamma * later * (not terminated) - q[s, a])
        result = q.clone()
        q[s2] += 1
        return result

    @right
    def by_index(q, s, a, r, s2, a2, terminated, alpha, gamma, sarsa):
        q = q.clone()
        later = q[s2, a2] if sarsa else q[s2].max()
        target = r if terminated else r + gamma * later
        q[s, a] += alpha * (target - q[s, a])
        return q

    @right
    def by_mixture(q, s, a, r, s2, a2, terminated, alpha, gamma, sarsa):
        future = 0.0 if terminated else gamma * (q[s2][a2] if sarsa else max(q[s2].tolist()))
        new = q.clone()
        new[s, a] = (1 - alpha) * q[s, a] + alpha * (r + future)
        return new


class best_legal:
    @wrong("forbidden ones included")
    def ignores_the_mask(q, legal):
        return q.argmax(dim=1)

    @wrong("a forbidden action worth 0")
    def multiplies(q, legal):
        return (q * legal).argmax(dim=1)

    @wrong("the place among the legal actions")
    def renumbers(q, legal):
        return torch.stack([row[mask].argmax() for row, mask in zip(q, legal, strict=True)])

    @wrong("upside down")
    def fills_the_legal(q, legal):
        return q.masked_fill(legal, -torch.inf).argmax(dim=1)

    @wrong("not its number")
    def returns_the_value(q, legal):
        return q.masked_fill(~legal, -torch.inf).max(dim=1).values

    @wrong("an axis of length 1 is left")
    def keeps_the_axis(q, legal):
        return q.masked_fill(~legal, -torch.inf).argmax(dim=1, keepdim=True)

    @wrong("finite number")
    def fills_with_a_large_number(q, legal):
        return q.masked_fill(~legal, -1e9).argmax(dim=1)

    @wrong("the batch axis disappeared")
    def squeezes(q, legal):
        return q.masked_fill(~legal, -torch.inf).argmax(dim=1, keepdim=True).squeeze()

    @wrong("changed its input")
    def fills_in_place(q, legal):
        q[~legal] = -torch.inf
        return q.argmax(dim=1)

    @right
    def by_fill(q, legal):
        return q.masked_fill(~legal, -torch.inf).argmax(dim=1)

    @right
    def by_where(q, legal):
        return torch.where(legal, q, -torch.inf).max(dim=1).indices

    @right
    def by_sorting(q, legal):
        order = q.argsort(dim=1, descending=True)
        allowed = legal.gather(1, order).int()
        return order.gather(1, allowed.argmax(dim=1, keepdim=True)).squeeze(1)


def _aim(next_q, reward, terminated, gamma):
    return reward + gamma * next_q.detach().max(dim=1).values * ~terminated


class dqn_loss:
    @wrong("(N, 1) against (N,)")
    def keeps_the_gathered_axis(q, next_q, action, reward, terminated, gamma):
        taken = q.gather(1, action[:, None])
        return F.smooth_l1_loss(taken, _aim(next_q, reward, terminated, gamma))

    @wrong("squared error")
    def squares(q, next_q, action, reward, terminated, gamma):
        taken = q.gather(1, action[:, None]).squeeze(1)
        return F.mse_loss(taken, _aim(next_q, reward, terminated, gamma))

    @wrong("added the errors up")
    def sums(q, next_q, action, reward, terminated, gamma):
        taken = q.gather(1, action[:, None]).squeeze(1)
        return F.smooth_l1_loss(taken, _aim(next_q, reward, terminated, gamma), reduction="sum")

    @wrong("best value of each row")
    def ignores_the_action(q, next_q, action, reward, terminated, gamma):
        return F.smooth_l1_loss(q.max(1).values, _aim(next_q, reward, terminated, gamma))

    @wrong("terminal mask is missing")
    def no_mask(q, next_q, action, reward, terminated, gamma):
        taken = q.gather(1, action[:, None]).squeeze(1)
        return F.smooth_l1_loss(taken, reward + gamma * next_q.detach().max(1).values)

    @wrong("also flows through the target")
    def moves_the_goal(q, next_q, action, reward, terminated, gamma):
        taken = q.gather(1, action[:, None]).squeeze(1)
        return F.smooth_l1_loss(taken, reward + gamma * next_q.max(1).values * ~terminated)

    @wrong("no gradient can flow back")
    def stops_every_gradient(q, next_q, action, reward, terminated, gamma):
        with torch.no_grad():
            taken = q.gather(1, action[:, None]).squeeze(1)
            return F.smooth_l1_loss(taken, _aim(next_q, reward, terminated, gamma))

    @right
    def by_gather(q, next_q, action, reward, terminated, gamma):
        taken = q.gather(1, action[:, None]).squeeze(1)
        with torch.no_grad():
            aim = reward + gamma * next_q.max(dim=1).values * ~terminated
        return F.smooth_l1_loss(taken, aim)

    @right
    def by_index(q, next_q, action, reward, terminated, gamma):
        taken = q[torch.arange(len(q)), action]
        future = next_q.detach().amax(dim=1).masked_fill(terminated, 0.0)
        return F.huber_loss(taken, reward + gamma * future)
