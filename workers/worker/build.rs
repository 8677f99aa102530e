//! Compiles what is written in C into every program of this package.

fn main() {
    const SOURCES: [&str; 2] = ["src/kafka/steady_waits.c", "src/memory.c"];
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    // Whole: nothing of Rust's calls what is in it, and the libraries must not be asked first.
    cc::Build::new().files(SOURCES).link_lib_modifier("+whole-archive").compile("sluice_worker_c");
}
