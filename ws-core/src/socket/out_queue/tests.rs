use tokio::io::AsyncReadExt as _;

use super::*;

async fn written(mut queue: OutQueue, pipe: usize) -> Vec<u8> {
    let (mut near, mut far) = tokio::io::duplex(pipe);
    let write = async move {
        while !queue.is_empty() {
            std::future::poll_fn(|cx| queue.poll_write(&mut near, cx)).await.unwrap();
        }
    };
    let mut bytes = Vec::new();
    tokio::join!(write, async { far.read_to_end(&mut bytes).await.unwrap() });
    bytes
}

fn header(len: usize) -> Vec<u8> {
    match len {
        0..126 => vec![0x82, len as u8],
        126..65_536 => [&[0x82, 126], &(len as u16).to_be_bytes()[..]].concat(),
        _ => [&[0x82, 127], &(len as u64).to_be_bytes()[..]].concat(),
    }
}

#[tokio::test]
async fn frames_of_all_sizes_keep_their_order_through_a_narrow_pipe() {
    let sizes = [0, 1, 125, 126, 4096, 4097, 3, 70_000, 65_535, 65_536, 2, 5000, 5000];
    let mut expected = Vec::new();
    let (mut queue, mut second) = (OutQueue::default(), OutQueue::default());
    for (at, size) in sizes.into_iter().enumerate() {
        let payload = vec![at as u8; size];
        expected.extend(header(size));
        expected.extend(&payload);
        let target = if at < 6 { &mut queue } else { &mut second };
        target.message(Message::binary(payload));
    }
    queue.append(&mut second);
    assert!(second.is_empty());
    assert_eq!(queue.len(), expected.len());
    assert_eq!(written(queue, 777).await, expected);
}

#[tokio::test]
async fn a_masked_frame_has_its_mask_and_leaves_a_shared_payload_alone() {
    let mask = [1, 2, 3, 4];
    for size in [0, 1, 125, 126, 4096, 4097, 65_536] {
        let payload = Bytes::from(vec![7; size]);
        let mut queue = OutQueue::default();
        queue.frame(header::BINARY, payload.clone(), Some(mask));
        queue.frame(header::BINARY, Bytes::from(vec![7; size]), Some(mask));
        let mut expected = header(size);
        expected[1] |= 0x80;
        expected.extend(mask);
        expected.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        assert_eq!(queue.len(), 2 * expected.len());
        assert_eq!(written(queue, 777).await, expected.repeat(2), "{size}");
        assert_eq!(payload, vec![7; size]);
    }
}

#[tokio::test]
async fn a_close_frame_has_code_and_reason_or_nothing() {
    let mut queue = OutQueue::default();
    queue.close(Some(&CloseFrame::new(1000, "bye")));
    queue.close(None);
    assert_eq!(written(queue, 64).await, [0x88, 5, 0x03, 0xe8, b'b', b'y', b'e', 0x88, 0]);
}

#[test]
fn an_emptied_queue_owns_nothing() {
    let mut queue = OutQueue::default();
    queue.message(Message::text("x".repeat(100)));
    queue.message(Message::text("x".repeat(100_000)));
    queue.advance(queue.len());
    assert!(queue.chunks.is_none());
    assert!(matches!(queue.tail, Tail::Own(bytes) if bytes.capacity() == 0));
}

#[tokio::test]
async fn shared_frames_keep_their_order_among_others_and_are_copied_only_where_they_are_not_alone() {
    let frame = |fill: u8, size| encode(vec![fill; size].into());
    let (small, large) = (frame(1, 10), frame(2, 5000));
    let mut alone = OutQueue::default();
    alone.shared(&small);
    assert!(!small.is_unique(), "it is shared");
    let mut moved = OutQueue::default();
    moved.append_frame(&mut alone);
    assert!(alone.is_empty() && !small.is_unique());
    assert_eq!(written(moved, 5).await, small);
    assert!(small.is_unique());

    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0], [0, 0, 1], [1, 1, 0]] {
        let (mut queue, mut second) = (OutQueue::default(), OutQueue::default());
        let mut expected = Vec::new();
        for target in [&mut queue, &mut second] {
            for kind in order {
                match kind {
                    0 => target.shared(&small),
                    1 => target.shared(&large),
                    _ => target.message(Message::binary(vec![3; 20])),
                }
                let bytes = match kind {
                    0 => small.clone(),
                    1 => large.clone(),
                    _ => frame(3, 20),
                };
                expected.extend_from_slice(&bytes);
            }
        }
        queue.append(&mut second);
        assert_eq!(queue.len(), expected.len(), "{order:?}");
        assert!(queue.flatten() == expected, "{order:?}");
        let mut moved = OutQueue::default();
        for _ in 0..2 * order.len() {
            moved.append_frame(&mut queue);
        }
        assert!(queue.is_empty() && moved.flatten() == expected, "{order:?}");
        let first = moved.first().unwrap().size();
        moved.drop_frame();
        assert!(written(moved, 777).await == expected[first..], "{order:?}");
    }
}
