//! Which of several labels may stand side by side, and which need a lane of their own.

/// The room that something takes on the time axis: its band and its label, from left to right in pixels.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Room {
    /// Its left end.
    pub left: f64,
    /// Its right end.
    pub right: f64,
}

/// Between two labels of one lane.
const GAP: f64 = 8.0;

/// Gives each room the lowest lane in which it touches no other, in the order given; `None` to those that have no
/// place in `lanes` lanes.
pub fn place(rooms: &[Room], lanes: usize) -> Vec<Option<usize>> {
    let mut taken: Vec<Vec<Room>> = vec![Vec::new(); lanes];
    let mut lane_of = |room: &Room| {
        let free = |lane: &Vec<Room>| {
            lane.iter()
                .all(|other| room.left >= other.right + GAP || other.left >= room.right + GAP)
        };
        let lane = taken.iter().position(free)?;
        taken[lane].push(*room);
        Some(lane)
    };
    rooms.iter().map(&mut lane_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_that_touch_get_different_lanes() {
        let rooms = |ends: &[(f64, f64)]| {
            ends.iter()
                .map(|&(left, right)| Room { left, right })
                .collect::<Vec<_>>()
        };
        for (ends, lanes, placed) in [
            (&[][..], 2, vec![]),
            (&[(0.0, 50.0), (60.0, 90.0)][..], 2, vec![Some(0), Some(0)]),
            (&[(0.0, 50.0), (57.0, 90.0)][..], 2, vec![Some(0), Some(1)]),
            (
                &[(0.0, 50.0), (10.0, 60.0), (20.0, 30.0)][..],
                2,
                vec![Some(0), Some(1), None],
            ),
            // A later one may fill a hole before an earlier one.
            (
                &[(100.0, 150.0), (90.0, 160.0), (0.0, 50.0)][..],
                2,
                vec![Some(0), Some(1), Some(0)],
            ),
            (&[(0.0, 50.0)][..], 0, vec![None]),
        ] {
            assert_eq!(place(&rooms(ends), lanes), placed, "{ends:?}");
        }
    }
}
