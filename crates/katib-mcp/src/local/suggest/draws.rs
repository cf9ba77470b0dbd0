//! Values drawn from a space: the same seed and number always give the same ones.

use fastrand::Rng;

use crate::{
    api::Setting,
    search_space::{Dimension, Distribution, SearchSpace, Values, text},
};

/// The values with that number in the sequence of a seed.
pub(super) fn draw(space: &SearchSpace, seed: u64, number: u64) -> Vec<Setting> {
    let mut random = generator(seed, number);
    let each = space.dimensions.iter().map(|Dimension { name, values }| Setting {
        name: name.clone(),
        value: value(values, &mut random),
    });
    each.collect()
}

/// A source of randomness of its own for every number.
pub(super) fn generator(seed: u64, number: u64) -> Rng {
    // Seeds beside each other must not share their sequences.
    Rng::with_seed(Rng::with_seed(seed).u64(..).wrapping_add(number))
}

fn value(values: &Values, random: &mut Rng) -> String {
    match (values.range(), values.count()) {
        (Some((min, max, Distribution::Normal)), _) => values.nearest(normal(min, max, random)),
        (Some((min, max, Distribution::LogUniform)), _) => {
            values.nearest(between(min.ln(), max.ln(), random).exp())
        }
        (Some((min, max, Distribution::LogNormal)), _) => {
            values.nearest(normal(min.ln(), max.ln(), random).exp())
        }
        (_, Some(count)) => values.at(random.u64(..count.max(1))).unwrap_or_default(),
        (Some((min, max, Distribution::Uniform)), None) => text(between(min, max, random)),
        (None, None) => String::new(),
    }
}

fn between(low: f64, high: f64, random: &mut Rng) -> f64 {
    (low + random.f64() * (high - low)).clamp(low, high)
}

/// Around the middle, and drawn anew where it would be outside: of 1,000 numbers 3 are.
fn normal(low: f64, high: f64, random: &mut Rng) -> f64 {
    let (middle, deviation) = (low / 2.0 + high / 2.0, (high - low) / 6.0);
    loop {
        // The method of Box and Muller; the logarithm is of a number above 0.
        let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
        let number = middle + deviation * radius * (std::f64::consts::TAU * random.f64()).cos();
        if (low..=high).contains(&number) {
            return number;
        }
    }
}
