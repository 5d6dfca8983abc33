"""Capstone 5: Snake, and agents that learn to play it.

    engine      the rules                       playing     let a policy play many games
    vector      the rules, many games at once   baselines   players that learn nothing
    observe     what an agent sees              agent       deep Q-learning, top to bottom
    rewards     what events are worth           recipes     settings of the recorded runs
    env         Gymnasium environment           players     players by name and from files
    drawing, film, view    pictures, GIF and MP4, the pygame window
    recorded, transcript   recorded runs; games written down for other implementations

>>> from torchcourse.capstones.snake import play
>>> from torchcourse.capstones.snake.baselines import FoodChaser
>>> play(games=3, seed=0, board=(10, 10), policy=FoodChaser()).shape
(3,)
"""

from torchcourse.capstones.snake.playing import play

__all__ = ["play"]
