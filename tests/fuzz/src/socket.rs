//! `socket`: the output of the socket layer does not depend on the pieces of its input or on other
//! connections of the thread. It needs a limited number of polls and loses no wake-up. The output
//! of planned frames is that of the plan.
//!
//! The first byte chooses raw bytes or planned frames.

mod plan;
mod script;

use arbitrary::{Arbitrary, Unstructured};

use self::{
    plan::Plan,
    script::{Outcome, Run, run_all},
};

/// Checks raw bytes or a plan of frames.
pub fn check(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else { return };
    if first & 1 == 0 {
        raw(first >> 1, bytes);
    } else if let Ok(plan) = Plan::arbitrary_take_rest(Unstructured::new(bytes)) {
        planned(&plan);
    }
}

/// Runs two connections at once on one thread. Each has the same output as alone and in one piece.
fn raw(limit: u8, bytes: &[u8]) {
    let Some((seed, stream)) = bytes.split_first_chunk() else { return };
    let (seed, limit) = (u64::from_le_bytes(*seed), 1 << (4 + limit % 13));
    let (one, two) = stream.split_at((seed >> 32) as usize % (stream.len() + 1));
    let whole = |stream: &[u8]| alone(Run { stream: stream.to_vec(), limit, seed: None });
    let pieces = |stream: &[u8], seed| Run { stream: stream.to_vec(), limit, seed: Some(seed) };
    assert_eq!(
        run_all(vec![pieces(one, seed), pieces(two, !seed)]),
        [whole(one), whole(two)],
        "in pieces and beside another connection"
    );
    assert_eq!(alone(pieces(stream, seed)), whole(stream), "in pieces");
}

fn planned(plan: &Plan) {
    let expected = plan.expected();
    let whole = alone(Run { stream: plan.bytes(), limit: plan.limit(), seed: None });
    assert_eq!(whole, expected, "in one piece");
    let pieces = alone(Run { stream: plan.bytes(), limit: plan.limit(), seed: Some(plan.seed()) });
    assert_eq!(pieces, expected, "in pieces");
}

fn alone(run: Run) -> Outcome {
    run_all(vec![run]).pop().expect("one run has one outcome")
}
