//! Tests of reading `ops.csv`: what is taken, what is left out, and what is refused with its line.

use super::*;

const HEADER: &str = "pass,round,seq,worker,due_ns,start_ns,end_ns,outcome,busy_ns,scheduled_ns,idle_ns";

fn parse(text: &str) -> Result<Columns, String> {
    read_from(Path::new("ops.csv"), text.as_bytes(), NonZeroU64::MIN).map_err(|error| error.to_string())
}

#[test]
fn only_good_operations_of_the_time_pass_are_taken() {
    let text = format!(
        "{HEADER},phase.redis.get_ns\n\
         time,0,0,0,10,20,50,ok,5,6,19,7\n\
         time,0,1,0,10,20,50,failed,5,6,19,7\n\
         time,0,2,0,10,20,50,timed_out,,,,\n\
         time,0,3,0,10,10,10,dropped,,,,\n\
         cpu,0,0,0,10,20,50,ok,5,6,19,7\n\
         time,1,0,0,0,0,9,ok,1,2,6,\n"
    );
    let columns = parse(&text).unwrap();
    assert_eq!((columns.len(), columns.rounds().len(), columns.all_watched()), (2, 2, true));
    let [first, second] = columns.rounds() else { panic!("two rounds") };
    assert_eq!((first.latency_ns[0], first.lateness_ns[0], first.states_ns[0]), (40.0, 10.0, [5.0, 6.0, 19.0]));
    assert_eq!((first.cells(0), second.cells(0)), (&[7.0_f32][..], &[0.0_f32][..]));
    assert!(second.cells(1).is_empty());
}

#[test]
fn columns_of_a_phases_states_are_known_by_the_slash() {
    let columns = Columns::of_columns(&["redis.get", "redis.get/busy", "a/b", "redis.get/idle"]).unwrap();
    let [redis, other] = columns.phases() else { panic!("two phases") };
    assert_eq!((redis.whole, redis.states), (Some(0), [Some(1), None, Some(3)]));
    assert_eq!((other.name.as_str(), other.whole), ("a/b", Some(2)));
}

#[test]
fn an_operation_that_was_not_watched_is_known_as_such() {
    let columns = parse(&format!("{HEADER}\ntime,0,0,0,10,20,50,ok,,,\n")).unwrap();
    assert!(!columns.all_watched() && columns.phases().is_empty());
}

#[test]
fn columns_may_stand_in_any_order_and_unknown_ones_are_left_out() {
    let columns = parse("new,end_ns,outcome,start_ns,due_ns,round,pass\nx,9,ok,4,3,2,time\n").unwrap();
    let round = &columns.rounds()[0];
    assert_eq!((round.round, round.latency_ns[0], round.lateness_ns[0]), (2, 6.0, 1.0));
}

#[test]
fn a_row_that_is_wrong_is_refused_with_its_line() {
    for (row, words) in [
        ("time,0,0,0,10,20,5,ok,,,", "time runs backwards"),
        ("time,0,0,0,30,20,50,ok,,,", "time runs backwards"),
        ("time,0,0,0,-1,20,50,ok,,,", "`-1` is no whole number"),
        ("time,0,0,0,1,2,99999999999999999999999,ok,,,", "is no whole number below 2^64"),
        ("time,4294967296,0,0,1,2,3,ok,,,", "4294967296 is no round"),
        ("time,0,0,0,1,2,3,ok,NaN,,", "`NaN` is no whole number"),
        ("time,0,0,0,1,2,3,fine,,,", "no outcome `fine`"),
        ("lunch,0,0,0,1,2,3,ok,,,", "no pass `lunch`"),
        ("time,0,0,0,1,2,3,ok,,", "found record with 10 fields"),
        ("time,0,0,0,,2,3,ok,,,", "`` is no whole number"),
    ] {
        let error = parse(&format!("{HEADER}\ntime,0,0,0,1,2,3,ok,,,\n{row}\n")).unwrap_err();
        assert!(error.contains(words) && error.contains("line") && error.contains('3'), "{row}: {error}");
        assert!(error.starts_with("could not read ops.csv: "), "{error}");
    }
}

#[test]
fn a_header_that_is_wrong_is_refused() {
    for (header, words) in [
        ("", "no column `pass`"),
        ("pass,round,due_ns,start_ns,outcome", "no column `end_ns`"),
        ("pass,round,due_ns,start_ns,end_ns,outcome,phase.a_ns,phase.a_ns", "`a` has no name, or two columns"),
        ("pass,round,due_ns,start_ns,end_ns,outcome,phase._ns", "has no name"),
    ] {
        let error = parse(&format!("{header}\n")).unwrap_err();
        assert!(error.contains(words), "{header}: {error}");
    }
    let many: String =
        (0..=MOST_CELLS).flat_map(|index| [",phase.".to_owned(), index.to_string(), "_ns".to_owned()]).collect();
    assert!(parse(&format!("{HEADER}{many}\n")).unwrap_err().contains("at most 4000 are read"));
}

#[test]
fn too_many_rounds_and_endless_lines_are_refused() {
    let row = |round| ["time,".to_owned(), format!("{round}"), ",0,0,1,2,3,ok,,,\n".to_owned()];
    let rows: String = (0..=MOST_ROUNDS).flat_map(row).collect();
    assert!(parse(&format!("{HEADER}\n{rows}")).unwrap_err().contains("more than 10000 rounds"));
    let error = parse(&format!("{HEADER}\n{}", "9".repeat(3 * LONGEST))).unwrap_err();
    assert!(error.contains("a line is longer than"), "{error}");
}

#[test]
fn any_bytes_at_all_end_in_columns_or_an_error() {
    let mut state = 1_u64;
    let valid = format!("{HEADER},phase.a_ns\ntime,0,0,0,10,20,50,ok,5,6,19,7\n");
    for _ in 0..2_000 {
        let mut bytes = valid.clone().into_bytes();
        for _ in 0..3 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let place = (state >> 33) as usize % bytes.len();
            bytes[place] = (state >> 20) as u8;
        }
        let _ = read_from(Path::new("ops.csv"), bytes.as_slice(), NonZeroU64::MIN);
    }
}

#[test]
fn every_third_row_is_every_third_row_and_what_lies_between_is_not_looked_at() {
    let rows: String =
        (0..10).map(|index| if index % 3 == 0 { "time,0,0,0,0,0,9,ok,1,2,6\n" } else { "?,,,,,,,,,,\n" }).collect();
    let text = format!("{HEADER}\n{rows}");
    let columns = read_from(Path::new("ops.csv"), text.as_bytes(), NonZeroU64::new(3).unwrap()).unwrap();
    assert_eq!(columns.len(), 4);
    assert!(parse(&text).unwrap_err().contains("line 3: "));
}
