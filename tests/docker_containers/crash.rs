//! Every point at which a swap can be cut off.

use std::time::Duration;

use a3::docker::{NewContainer, Proof, Swap, SwapError};
use a3::explain::Explain as _;

use crate::stage::{Cut, Stage, When, docker, port};

/// More requests than a swap has.
const MANY: usize = 40;

async fn cut_swap(stage: &Stage, new: &NewContainer, requests: usize, when: When) -> Result<(), SwapError> {
    let swap = Swap { new, proof: Proof::default(), way_back: None, formerly: &[] };
    let ended = Cut::after(requests, when).swap(&swap, &|_| {}).await.map(drop);
    if when == When::After {
        // What is under way in the engine ends without us.
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    assert!(stage.state().await.len() <= 2);
    ended
}

async fn swap(stage: &Stage, new: &NewContainer) {
    let swap = Swap { new, proof: Proof::default(), way_back: None, formerly: &[] };
    stage.engine.swap(&swap, &stage.sink()).await.unwrap();
}

/// Cuts a swap from 1 to 2 at every request, then swaps to `then`; the end is the same each time.
async fn at_every_request(stage: &Stage, when: When, auto_remove: bool, then: u64) {
    let version = |release: u64| {
        stage.with(release, |settings| {
            settings.auto_remove = auto_remove;
            settings.ports =
                vec![port(if when == When::Before { 7010 } else { 7011 } + u16::from(auto_remove) * 2)];
        })
    };
    for requests in 1..MANY {
        swap(stage, &version(1)).await;
        assert_eq!(stage.state().await, stage.running(1));
        let cut = cut_swap(stage, &version(2), requests, when).await;
        if cut.is_ok() {
            assert_eq!(stage.state().await, stage.running(2), "after {requests} requests, uncut");
            assert!(requests > 8, "a swap has more requests than {requests}");
            return;
        }
        let cut = cut.unwrap_err();
        let left = stage.state().await;
        assert!(!left.is_empty() || auto_remove, "cut at {requests} left nothing: {}", cut.cause().message);
        swap(stage, &version(then)).await;
        let end = stage.state().await;
        let same = end.len() == 1 && end[0].0 == stage.name() && end[0].2;
        assert!(same && (2..=then).contains(&end[0].1), "cut at {requests} ({left:?}) ends as {end:?}");
        docker(&["rm", "-fv", &stage.name()]);
    }
    panic!("a swap never ended within {MANY} requests");
}

#[tokio::test]
async fn a_request_that_never_got_out() {
    let stage = Stage::new("before");
    at_every_request(&stage, When::Before, false, 2).await;
}

#[tokio::test]
async fn an_answer_that_was_lost() {
    let stage = Stage::new("after");
    at_every_request(&stage, When::After, false, 3).await;
}

#[tokio::test]
async fn with_containers_that_remove_themselves() {
    let stage = Stage::new("afterrm");
    at_every_request(&stage, When::After, true, 2).await;
}

/// The old one is stopped and the new one not started: the one point between two requests that travel
/// together.
#[tokio::test]
async fn between_stop_and_start() {
    let stage = Stage::new("between");
    for failing in [false, true] {
        swap(&stage, &stage.version(1)).await;
        for requests in 1..MANY {
            let _ = cut_swap(&stage, &stage.version(2), requests, When::After).await;
            let state = stage.state().await;
            if state == [(stage.name(), 2, false), (stage.old_name(), 1, true)] {
                break;
            }
        }
        docker(&["stop", &stage.old_name()]);
        assert_eq!(stage.state().await, [(stage.name(), 2, false), (stage.old_name(), 1, false)]);
        if failing {
            // What is wanted now cannot start: the old one was stopped by the swap, so it runs again.
            let bad = stage.with(3, |settings| settings.command = Some(vec!["/nope".into()]));
            let swap = Swap { new: &bad, proof: Proof::default(), way_back: None, formerly: &[] };
            stage.engine.swap(&swap, &stage.sink()).await.unwrap_err();
            assert_eq!(stage.state().await, stage.running(1));
        } else {
            swap(&stage, &stage.version(2)).await;
            assert_eq!(stage.state().await, stage.running(2));
            docker(&["rm", "-fv", &stage.name()]);
        }
    }
}

/// Cut off while it brings the old one back.
#[tokio::test]
async fn on_the_way_back() {
    let stage = Stage::new("back");
    let bad = stage.with(2, |settings| {
        settings.command = Some(vec!["/bin/sh".into(), "-c".into(), "exit 3".into()]);
    });
    for requests in 10..MANY {
        swap(&stage, &stage.version(1)).await;
        let error = cut_swap(&stage, &bad, requests, When::After).await.unwrap_err();
        let whole = matches!(error, SwapError::Failed { back: a3::docker::Back::Runs, .. });
        if whole {
            assert_eq!(stage.state().await, stage.running(1), "uncut");
            return;
        }
        swap(&stage, &stage.version(3)).await;
        assert_eq!(stage.state().await, stage.running(3), "cut at {requests}");
        docker(&["rm", "-fv", &stage.name()]);
    }
    panic!("a swap never went back within {MANY} requests");
}

/// Numbers had begun again after a lost record: what was set aside is what had worked all the same.
#[tokio::test]
async fn with_a_lower_number_than_the_old_one() {
    let stage = Stage::new("lower");
    let bad = stage.with(2, |settings| settings.command = Some(vec!["/nope".into()]));
    let mut both = 0;
    for requests in 1..MANY {
        swap(&stage, &stage.version(7)).await;
        let cut = cut_swap(&stage, &stage.version(1), requests, When::After).await;
        let left = stage.state().await;
        if cut.is_ok() {
            assert!(both > 1, "the two are side by side at {both} points");
            return;
        }
        let failing = Swap { new: &bad, proof: Proof::default(), way_back: None, formerly: &[] };
        stage.engine.swap(&failing, &stage.sink()).await.unwrap_err();
        let works = if left.iter().any(|(_, release, _)| *release == 7) { 7 } else { 1 };
        assert_eq!(stage.state().await, stage.running(works), "cut at {requests} left {left:?}");
        both += usize::from(left.len() > 1);
        docker(&["rm", "-fv", &stage.name()]);
    }
    panic!("a swap never ended within {MANY} requests");
}

/// The service gets another container name: the old one stays under its own until the new one works.
#[tokio::test]
async fn under_another_name() {
    for when in [When::Before, When::After] {
        let stage = Stage::new(if when == When::Before { "renamebefore" } else { "renameafter" });
        let (new, formerly) = stage.renamed(2);
        let (mut bad, _) = stage.renamed(3);
        bad.settings.command = Some(vec!["/nope".into()]);
        bad.labels.insert("dev.a3.config".into(), "1:bad".into());
        let mut cuts = 0;
        for requests in 1..MANY {
            swap(&stage, &stage.version(1)).await;
            let swap = |new| Swap { new, proof: Proof::default(), way_back: None, formerly: &formerly };
            let cut = Cut::after(requests, when).swap(&swap(&new), &|_| {}).await;
            if when == When::After {
                tokio::time::sleep(Duration::from_millis(700)).await;
            }
            if cut.is_ok() {
                assert_eq!(stage.state().await, [(stage.other_name(), 2, true)]);
                break;
            }
            cuts += 1;
            let left = stage.state().await;
            if requests % 2 == 0 && left.iter().any(|(name, ..)| *name == stage.name()) {
                // What is wanted next cannot start: the old one runs again, under the name that it had.
                stage.engine.swap(&swap(&bad), &stage.sink()).await.unwrap_err();
                assert_eq!(stage.state().await, stage.running(1), "cut at {requests} left {left:?}");
            }
            stage.engine.swap(&swap(&new), &stage.sink()).await.unwrap();
            assert_eq!(
                stage.state().await,
                [(stage.other_name(), 2, true)],
                "cut at {requests} left {left:?}"
            );
            docker(&["rm", "-fv", &stage.other_name()]);
        }
        assert!(cuts > 8, "a swap has more requests than {cuts}");
    }
}
