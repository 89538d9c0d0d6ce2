//! Explores every state that a model can reach, breadth first: the first
//! counterexample found is one of the shortest.

use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::hash::Hash;

/// Something whose every behaviour is explored.
pub trait Model {
    type State: Clone + Eq + Hash + Debug;
    type Action: Copy + Debug;

    fn start(&self) -> Self::State;

    /// Returns what may happen next.
    fn actions(&self, state: &Self::State) -> Vec<Self::Action>;

    fn next(&self, state: &Self::State, action: Self::Action) -> Self::State;

    /// Checks a step by the invariants.
    ///
    /// # Errors
    /// The invariant that it breaks.
    fn check(&self, before: &Self::State, after: &Self::State) -> Result<(), String>;
}

/// A behaviour that breaks an invariant.
#[derive(Debug)]
pub struct Counterexample<A> {
    pub problem: String,
    pub steps: Vec<A>,
}

impl<A: Debug> fmt::Display for Counterexample<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, after {:?}", self.problem, self.steps)
    }
}

/// Explores the states. Returns their number.
///
/// # Errors
/// A shortest behaviour that breaks an invariant.
pub fn explore<M: Model>(model: &M) -> Result<usize, Counterexample<M::Action>> {
    // How each state was reached first.
    let mut reached: Vec<Option<(usize, M::Action)>> = vec![None];
    let mut states = vec![model.start()];
    let mut places = HashMap::from([(model.start(), 0)]);
    let mut place = 0;
    while place < states.len() {
        let state = states[place].clone();
        for action in model.actions(&state) {
            let after = model.next(&state, action);
            if let Err(problem) = model.check(&state, &after) {
                return Err(Counterexample {
                    problem,
                    steps: steps(&reached, place, action),
                });
            }
            if !places.contains_key(&after) {
                places.insert(after.clone(), states.len());
                states.push(after);
                reached.push(Some((place, action)));
            }
        }
        place += 1;
    }
    Ok(states.len())
}

fn steps<A: Copy>(reached: &[Option<(usize, A)>], mut place: usize, last: A) -> Vec<A> {
    let mut steps = vec![last];
    while let Some((before, action)) = reached[place] {
        steps.push(action);
        place = before;
    }
    steps.reverse();
    steps
}
