//! Random numbers from a seed, the same on every machine: xoshiro256++. Not for secrets.

/// The generator xoshiro256++ 1.0, its state filled by `SplitMix64`.
///
/// Integer arithmetic only, so that a seed gives the same numbers everywhere. Cost: O(1) a number, about a nanosecond.
/// Source: Blackman and Vigna (2021), Steele, Lea and Flood (2014).
///
/// ```
/// use perfkit::stats::random::Random;
/// let (mut one, mut other) = (Random::new(7), Random::new(7));
/// assert_eq!(one.next_u64(), other.next_u64());
/// ```
#[derive(Clone, Debug)]
pub struct Random([u64; 4]);

impl Random {
    /// A generator; every seed is a good one.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        Self(std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        }))
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = self.0;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.0 = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// A number in `[0, 1)` with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / 9_007_199_254_740_992.0
    }

    /// A whole number below `bound`, without bias; 0 for a bound of 0. Source: Lemire (2019).
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        if bound == 0 {
            return 0;
        }
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            let low = product as u64;
            // Only where the low half is below the bound can a number have come up once too often.
            if low >= bound || low >= bound.wrapping_neg() % bound {
                return (product >> 64) as usize;
            }
        }
    }

    /// A standard normal number. Source: Marsaglia's polar method (1964).
    ///
    /// Takes a logarithm, whose last digit can differ between machines; the count of numbers drawn does not.
    pub fn normal(&mut self) -> f64 {
        loop {
            let (x, y) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                return x * (-2.0 * square.ln() / square).sqrt();
            }
        }
    }

    /// Puts the items in random order, each order equally likely. Cost: O(n). Source: Durstenfeld (1964).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_reference_implementation() {
        // SplitMix64 from 0 begins so (prng.di.unimi.it/splitmix64.c).
        assert_eq!(Random::new(0).0[0], 0xe220_a839_7b1d_cdaf);
        // xoshiro256plusplus.c from the state 1, 2, 3, 4.
        let mut random = Random([1, 2, 3, 4]);
        let got: Vec<u64> = (0..4).map(|_| random.next_u64()).collect();
        assert_eq!(got, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
    }

    #[test]
    fn numbers_are_even_and_normal_ones_have_unit_variance() {
        let mut random = Random::new(1);
        let mut counts = [0; 7];
        (0..70_000).for_each(|_| counts[random.below(7)] += 1);
        assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
        let square: f64 = (0..50_000).map(|_| random.normal().powi(2)).sum::<f64>() / 50_000.0;
        assert!((square - 1.0).abs() < 0.03, "{square}");
        assert_eq!(random.below(0), 0);
    }
}
