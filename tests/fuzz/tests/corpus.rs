//! Runs every kept input through its target once, in the order of the names.

use std::{fs, path::Path};

fn replay(target: &str, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no corpus in {}", folder.display());
    for file in files {
        println!("{}", file.display());
        check(&fs::read(&file).unwrap());
    }
}

#[test]
fn the_corpus_of_cluster_holds() {
    replay("cluster", ws_fuzz::cluster::check);
}

#[test]
fn the_corpus_of_deflate_holds() {
    replay("deflate", ws_fuzz::deflate::check);
}

#[test]
fn the_corpus_of_handshake_holds() {
    replay("handshake", ws_fuzz::handshake::check);
}

#[test]
fn the_corpus_of_route_path_holds() {
    replay("route_path", ws_fuzz::route_path::check);
}

#[test]
fn the_corpus_of_envelope_holds() {
    replay("envelope", ws_fuzz::envelope::check);
}

#[test]
fn the_corpus_of_socket_holds() {
    replay("socket", ws_fuzz::socket::check);
}

#[test]
fn the_corpus_of_second_opinion_holds() {
    replay("second_opinion", ws_fuzz::second_opinion::check);
}
