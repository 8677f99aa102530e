//! Compiles `src/kafka/steady_waits.c` into every program of this package.

fn main() {
    const SOURCE: &str = "src/kafka/steady_waits.c";
    println!("cargo::rerun-if-changed={SOURCE}");
    // Whole: nothing of Rust's calls what is in it, and the C library must not be asked first.
    cc::Build::new().file(SOURCE).link_lib_modifier("+whole-archive").compile("steady_waits");
}
