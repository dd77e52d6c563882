//! The linear assignment problem by shortest augmenting paths (Jonker and Volgenant, Computing 38, 1987), on square
//! matrices: column reduction, reduction transfer, twice augmenting row reduction, augmentation.
//!
//! Where several assignments cost the same, which of them is found depends on the order of the steps. They stand in the order
//! of the algorithm's usual implementations, so that ties are broken as the NumPy engine's tracker breaks them.

const LARGE: f64 = 1_000_000.0;
const NONE: usize = usize::MAX;

/// What is reused from call to call.
#[derive(Default)]
pub struct Solver {
    cost: Vec<f64>,
    n: usize,
    /// Column of each row, row of each column; NONE: free.
    x: Vec<usize>,
    y: Vec<usize>,
    v: Vec<f64>,
    free: Vec<usize>,
    d: Vec<f64>,
    cols: Vec<usize>,
    pred: Vec<usize>,
}

impl Solver {
    /// Column of each row of a `rows` x `columns` matrix, which is padded with zeros; None where it is padding.
    pub fn solve(&mut self, cost: &[f64], rows: usize, columns: usize) -> Vec<Option<usize>> {
        let n = rows.max(columns);
        self.n = n;
        self.cost.clear();
        self.cost.resize(n * n, 0.0);
        for row in 0..rows {
            self.cost[row * n..row * n + columns].copy_from_slice(&cost[row * columns..(row + 1) * columns]);
        }
        self.reduce_columns();
        for _ in 0..2 {
            if !self.free.is_empty() {
                self.reduce_rows();
            }
        }
        if !self.free.is_empty() {
            self.augment();
        }
        self.x[..rows].iter().map(|column| Some(*column).filter(|c| *c < columns)).collect()
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        self.cost[row * self.n + column]
    }

    fn reduced(&self, row: usize, column: usize) -> f64 {
        self.at(row, column) - self.v[column]
    }

    /// Each column takes its cheapest row; what a row is surely worth more than its next choice is transferred.
    fn reduce_columns(&mut self) {
        let n = self.n;
        self.x.clear();
        self.x.resize(n, NONE);
        self.y.clear();
        self.y.resize(n, 0);
        self.v.clear();
        self.v.resize(n, LARGE);
        self.free.clear();
        for row in 0..n {
            for column in 0..n {
                let cost = self.at(row, column);
                if cost < self.v[column] {
                    self.v[column] = cost;
                    self.y[column] = row;
                }
            }
        }
        let mut unique = vec![true; n];
        for column in (0..n).rev() {
            let row = self.y[column];
            if self.x[row] == NONE {
                self.x[row] = column;
            } else {
                unique[row] = false;
                self.y[column] = NONE;
            }
        }
        for row in 0..n {
            if self.x[row] == NONE {
                self.free.push(row);
            } else if unique[row] {
                let column = self.x[row];
                let mut least = LARGE;
                for other in (0..n).filter(|other| *other != column) {
                    let cost = self.reduced(row, other);
                    if cost < least {
                        least = cost;
                    }
                }
                self.v[column] -= least;
            }
        }
    }

    /// Free rows take their best column, at the price of their second best.
    fn reduce_rows(&mut self) {
        let n = self.n;
        let count = self.free.len();
        let (mut current, mut left, mut turns) = (0, 0, 0);
        while current < count {
            turns += 1;
            let row = self.free[current];
            current += 1;
            let (mut first, mut best) = (0, self.reduced(row, 0));
            let (mut second, mut next) = (NONE, LARGE);
            for column in 1..n {
                let cost = self.reduced(row, column);
                if cost < next {
                    if cost >= best {
                        (next, second) = (cost, column);
                    } else {
                        (next, second) = (best, first);
                        (best, first) = (cost, column);
                    }
                }
            }
            let mut holder = self.y[first];
            let price = self.v[first] - (next - best);
            let lowers = price < self.v[first];
            if turns < current * n {
                if lowers {
                    self.v[first] = price;
                } else if holder != NONE && second != NONE {
                    first = second;
                    holder = self.y[second];
                }
                if holder != NONE {
                    if lowers {
                        current -= 1;
                        self.free[current] = holder;
                    } else {
                        self.free[left] = holder;
                        left += 1;
                    }
                }
            } else if holder != NONE {
                self.free[left] = holder;
                left += 1;
            }
            self.x[row] = first;
            self.y[first] = row;
        }
        self.free.truncate(left);
    }

    /// The rest by shortest paths.
    fn augment(&mut self) {
        for start in std::mem::take(&mut self.free) {
            let mut column = self.path(start);
            loop {
                let row = self.pred[column];
                self.y[column] = row;
                std::mem::swap(&mut column, &mut self.x[row]);
                if row == start {
                    break;
                }
            }
        }
    }

    /// The free column at the end of the shortest path from a free row.
    fn path(&mut self, start: usize) -> usize {
        let n = self.n;
        self.cols = (0..n).collect();
        self.pred = vec![start; n];
        self.d = (0..n).map(|column| self.reduced(start, column)).collect();
        let (mut low, mut high, mut ready) = (0, 0, 0);
        let last = loop {
            if low == high {
                ready = low;
                high = self.nearest(low);
                // The last of them, if several are free.
                if let Some(found) = self.cols[low..high].iter().rev().find(|c| self.y[**c] == NONE) {
                    break *found;
                }
            }
            if let Some(found) = self.scan(&mut low, &mut high) {
                break found;
            }
        };
        let least = self.d[self.cols[low]];
        for k in 0..ready {
            let column = self.cols[k];
            self.v[column] += self.d[column] - least;
        }
        last
    }

    /// Bring the nearest of the columns from `low` on to the front; where they end.
    fn nearest(&mut self, low: usize) -> usize {
        let mut high = low + 1;
        let mut least = self.d[self.cols[low]];
        for k in high..self.n {
            let column = self.cols[k];
            if self.d[column] <= least {
                if self.d[column] < least {
                    high = low;
                    least = self.d[column];
                }
                self.cols[k] = self.cols[high];
                self.cols[high] = column;
                high += 1;
            }
        }
        high
    }

    /// Go on from the columns `low`..`high`; a free column if one is met.
    fn scan(&mut self, low: &mut usize, high: &mut usize) -> Option<usize> {
        let (mut at, mut end) = (*low, *high);
        while at != end {
            let column = self.cols[at];
            at += 1;
            let row = self.y[column];
            let least = self.d[column];
            let h = self.reduced(row, column) - least;
            for k in end..self.n {
                let next = self.cols[k];
                let cost = self.reduced(row, next) - h;
                if cost < self.d[next] {
                    self.d[next] = cost;
                    self.pred[next] = row;
                    if cost == least {
                        if self.y[next] == NONE {
                            return Some(next);
                        }
                        self.cols[k] = self.cols[end];
                        self.cols[end] = next;
                        end += 1;
                    }
                }
            }
        }
        (*low, *high) = (at, end);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Solver;

    fn permutations(n: usize) -> Vec<Vec<usize>> {
        if n == 0 {
            return vec![vec![]];
        }
        let shorter = permutations(n - 1);
        shorter.iter().flat_map(|p| (0..n).map(move |at| { let mut q = p.clone(); q.insert(at, n - 1); q })).collect()
    }

    #[test]
    fn the_assignment_is_the_cheapest() {
        let mut state = 7_u64;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % 8) as f64
        };
        let mut solver = Solver::default();
        for n in 1..6 {
            for _ in 0..200 {
                let cost: Vec<f64> = (0..n * n).map(|_| next()).collect();
                let found: f64 = solver.solve(&cost, n, n).iter().enumerate().map(|(i, j)| cost[i * n + j.unwrap()]).sum();
                let price = |p: &Vec<usize>| p.iter().enumerate().map(|(i, j)| cost[i * n + j]).sum::<f64>();
                let best = permutations(n).iter().map(price).fold(f64::INFINITY, f64::min);
                assert_eq!(found, best);
            }
        }
    }
}
