//! One measured figure and what it must keep to. A rate is held to its bound with the three standard errors that so many
//! simulations leave open: a row is missed where chance is no explanation.

/// Standard errors that a rate may lie beyond its bound.
const TOLERANCE: f64 = 3.0;

/// What a figure must keep to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
    /// Between these two.
    Within(f64, f64),
    /// Nothing: it is told, and judged by the reader.
    Told,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    name: String,
    measured: f64,
    /// Simulations that the figure is a share of; `None` where it is no share.
    times: Option<u32>,
    bound: Bound,
}

impl Row {
    /// A share of so many simulations.
    pub fn rate(name: impl Into<String>, count: u32, times: u32, bound: Bound) -> Self {
        Self { name: name.into(), measured: f64::from(count) / f64::from(times), times: Some(times), bound }
    }

    /// A figure that chance has no part in.
    pub fn figure(name: impl Into<String>, measured: f64, bound: Bound) -> Self {
        Self { name: name.into(), measured, times: None, bound }
    }

    /// Whether it keeps to its bound, or lies beyond it by no more than chance explains.
    pub fn holds(&self) -> bool {
        self.keeps(TOLERANCE)
    }

    /// Whether it lies beyond its bound by no more than so many standard errors.
    fn keeps(&self, tolerance: f64) -> bool {
        // The error that a rate of exactly the bound would have.
        let not_above = |bound: f64| self.measured <= bound + tolerance * self.error(bound);
        let not_below = |bound: f64| self.measured >= bound - tolerance * self.error(bound);
        match self.bound {
            Bound::AtMost(most) => not_above(most),
            Bound::AtLeast(least) => not_below(least),
            Bound::Within(least, most) => not_below(least) && not_above(most),
            Bound::Told => true,
        }
    }

    /// The binomial standard error of a rate.
    fn error(&self, rate: f64) -> f64 {
        self.times.map_or(0.0, |times| (rate * (1.0 - rate) / f64::from(times)).sqrt())
    }

    /// The row as a line of the table.
    pub fn line(&self) -> String {
        let figure = match self.times {
            Some(_) => format!("{:.4} ± {:.4}", self.measured, self.error(self.measured)),
            None => format!("{:.1}", self.measured),
        };
        let bound = match self.bound {
            Bound::AtMost(most) => format!("<= {most}"),
            Bound::AtLeast(least) => format!(">= {least}"),
            Bound::Within(least, most) => format!("{least} to {most}"),
            Bound::Told => String::new(),
        };
        let word = match self.bound {
            Bound::Told => "",
            _ if self.keeps(0.0) => "holds",
            _ if self.holds() => "beyond, within chance",
            _ => "MISSED",
        };
        format!("  {:<64} {figure:>17}  {bound:<14} {word}", self.name).trim_end().to_owned()
    }
}
