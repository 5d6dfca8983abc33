/** Mulberry32, bit for bit as in torchcourse/capstones/snake/engine.py; public domain. */
export class Random32 {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  /** The next number, uniform in 0 … 2³² - 1. */
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** A number in 0 … n - 1. The product stays below 2⁵³, so it is exact. */
  below(n) {
    return Math.floor((this.next() * n) / 2 ** 32);
  }
}
