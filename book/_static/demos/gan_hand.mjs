// A hand is a vector of noise. It is drawn here, seeded: hand 7 writes alike in every browser.
import { Random32 } from "./random32.mjs";

const PLACES = 1000; // seeds between one hand and the next: one for each place on the sheet

/**
 * Standard normal numbers, as Box and Muller make them from pairs of uniform ones: with u and v
 * in (0, 1], first √(-2 ln u) cos 2πv, then √(-2 ln u) sin 2πv. `count` is even.
 */
export function drawNoise(seed, count) {
  const random = new Random32(seed);
  const uniform = () => (random.next() + 1) / 2 ** 32; // never 0, which has no logarithm
  const noise = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    const angle = 2 * Math.PI * uniform();
    noise[i] = radius * Math.cos(angle);
    noise[i + 1] = radius * Math.sin(angle);
  }
  return noise;
}

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

/** Sums of vectors: combine([a, x], [b, y]) is a·x + b·y. */
function combine(...terms) {
  return terms[0][1].map((_, i) => terms.reduce((sum, [share, vector]) => sum + share * vector[i], 0));
}

/**
 * From one vector to another along a circle: share 0 is the first, 1 the second. On the straight
 * line between two noises the middle would be shorter than nearly any noise ever drawn.
 */
export function slerp(from, to, share) {
  const cosine = dot(from, to) / Math.sqrt(dot(from, from) * dot(to, to));
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
  if (Math.sin(angle) < 1e-6) return combine([1 - share, from], [share, to]);
  const weight = (part) => Math.sin(part * angle) / Math.sin(angle);
  return combine([weight(1 - share), from], [weight(share), to]);
}

/** number: 1, 2, … directions: unit vectors of the noise by name. */
export class Hand {
  constructor(number, latent, directions) {
    Object.assign(this, { number, latent, directions, way: 0, moved: {} });
  }

  /** On towards the next hand: share 1 is the whole way. */
  walk(share) {
    this.way += share;
    while (this.way >= 1) {
      this.way -= 1;
      this.number += 1;
    }
  }

  get drawn() {
    const at = (number) => drawNoise(PLACES * number, this.latent);
    return slerp(at(this.number), at(this.number + 1), this.way);
  }

  /** Where the hand lies on a direction; like all noise, mostly between -2 and 2. */
  coordinate(name) {
    return dot(this.drawn, this.directions[name]) + (this.moved[name] ?? 0);
  }

  move(name, coordinate) {
    this.moved[name] = coordinate - dot(this.drawn, this.directions[name]);
  }

  /** The vector of this hand, moved along the directions. */
  get noise() {
    const steps = Object.entries(this.moved).map(([name, step]) => [step, this.directions[name]]);
    return combine([1, this.drawn], ...steps);
  }

  /**
   * The noise of each place on the sheet. variety: 0 makes every 7 the same 7, 1 has a new hand
   * for each sign; squares of the shares add up to 1, which keeps the spread. daring: 0 is the
   * middle of all hands, 1 as drawn.
   */
  noises(places, variety, daring) {
    const { noise } = this;
    const shared = daring * Math.sqrt(1 - variety ** 2);
    return Array.from({ length: places }, (_, place) => {
      const own = drawNoise(PLACES * this.number + 1 + place, this.latent);
      const next = drawNoise(PLACES * (this.number + 1) + 1 + place, this.latent);
      return combine([shared, noise], [daring * variety, slerp(own, next, this.way)]);
    });
  }
}
