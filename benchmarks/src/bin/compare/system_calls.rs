//! What a client calls while it is idle, counted by strace.

use std::path::Path;

use kafka_producer_benchmarks::Failure;

/// The words before a program's own, after which its calls are written to this file.
pub(crate) fn tracer(log: &Path) -> Vec<String> {
    ["strace", "-f", "-qq", "-o", &log.display().to_string()].map(str::to_owned).into()
}

/// The calls between the words `idle begins` and `idle ends`, beside those of the thread that says them. A call that
/// began before and ends meanwhile is one: somebody has been woken.
pub(crate) fn between_the_words(log: &str) -> Result<usize, Failure> {
    let lines: Vec<&str> = log.lines().collect();
    let at =
        |words: &str| lines.iter().position(|line| line.contains(words)).ok_or("the log of strace is cut");
    let (begin, end) = (at("idle begins")?, at("idle ends")?);
    let thread = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let waiting = thread(lines[begin]);
    let others = lines[begin + 1..end].iter().filter(|line| thread(line) != waiting);
    Ok(others.filter(|line| !line.contains(" <unfinished ...>")).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_others_call_meanwhile_is_counted() -> Result<(), Failure> {
        let log = "1 write(2, \"idle begins\\n\", 12) = 12\n\
                   1 clock_nanosleep(CLOCK_REALTIME, 0, <unfinished ...>\n\
                   2 <... epoll_wait resumed>) = 0\n\
                   2 write(3, \"x\", 1) = 1\n\
                   3 futex(0x1, FUTEX_WAIT, 0, NULL <unfinished ...>\n\
                   1 <... clock_nanosleep resumed>) = 0\n\
                   1 write(2, \"idle ends\\n\", 10) = 10\n\
                   2 write(3, \"x\", 1) = 1\n";
        assert_eq!(between_the_words(log)?, 2);
        assert!(between_the_words("1 exit(0)").is_err());
        Ok(())
    }
}
