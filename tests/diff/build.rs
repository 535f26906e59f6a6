// SPDX-License-Identifier: GPL-2.0

//! Compiles mainline's helpers out of the kernel's source, `KDIR`, which stays where it is.

use std::{
    env, fs,
    path::{
        Path,
        PathBuf, //
    },
};

const HELPERS: [&str; 4] = ["ftp", "irc", "tftp", "amanda"];

/// Has `#include <name>` of everything in `text` lead to c/shim.h, except for the helpers' own
/// headers, which are taken as they are.
fn headers(kernel: &Path, include: &Path, text: &str) {
    let names = text
        .lines()
        .filter_map(|line| line.strip_prefix("#include <")?.split_once('>'));
    for (name, _) in names {
        let path = include.join(name);
        let is_ours = HELPERS
            .iter()
            .any(|helper| name.ends_with(&format!("/nf_conntrack_{helper}.h")));
        let target = if is_ours {
            kernel.join("include").join(name)
        } else {
            PathBuf::from("shim.h")
        };
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("#include \"{}\"\n", target.display())).unwrap();
        if is_ours {
            headers(kernel, include, &fs::read_to_string(target).unwrap());
        }
    }
}

/// The kernel's own parser of IPv6 addresses, from among other things.
fn in6_pton(kernel: &Path) -> String {
    let text = fs::read_to_string(kernel.join("net/core/utils.c")).unwrap();
    let start = text
        .find("#define IN6PTON_XDIGIT")
        .expect("in6_pton is elsewhere");
    let end = text
        .find("EXPORT_SYMBOL(in6_pton)")
        .expect("in6_pton is elsewhere");
    format!(
        "#include \"shim.h\"\nint hex_to_bin(unsigned char);\n{}",
        &text[start..end]
    )
}

fn main() {
    println!("cargo::rerun-if-env-changed=KDIR");
    println!("cargo::rerun-if-changed=c");
    let kernel = PathBuf::from(env::var_os("KDIR").expect("KDIR: the kernel's source"));
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap());
    let include = out.join("include");
    let compiler = || {
        let mut build = cc::Build::new();
        build
            .include("c")
            .include(&include)
            .warnings(false)
            // As the kernel is compiled; the helpers compare such bytes.
            .flag("-funsigned-char")
            .flag("-fno-strict-aliasing")
            .flag("-fno-builtin")
            .flag("-D_GNU_SOURCE")
            .opt_level(2);
        build
    };
    for helper in HELPERS {
        let source = kernel.join(format!("net/netfilter/nf_conntrack_{helper}.c"));
        println!("cargo::rerun-if-changed={}", source.display());
        headers(&kernel, &include, &fs::read_to_string(&source).unwrap());
        compiler()
            .define("DIFF_HELPER", helper)
            .define("DIFF_SOURCE", format!("\"{}\"", source.display()).as_str())
            .file(format!("c/{helper}.c"))
            .compile(&format!("diff_{helper}"));
    }
    let parser = out.join("in6_pton.c");
    fs::write(&parser, in6_pton(&kernel)).unwrap();
    compiler()
        .files(["c/shim.c".into(), parser])
        .compile("diff_kernel");
}
