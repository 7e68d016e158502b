//! What `/v1/agent/host` tells of the machine, read from `/proc` on demand.

use serde_json::{Map, Value, json};
use std::fs;

/// The object of `/v1/agent/host`. What the system does not tell is absent.
pub(crate) fn describe() -> Value {
    json!({
        "Memory": memory(),
        "CPU": processors(),
        "Host": host(),
        "Disk": disk("/"),
        "CollectionTime": u64::try_from(lictor_net::clock::wall().as_nanos()).unwrap_or(u64::MAX),
        "Errors": Value::Null,
    })
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// `/proc/meminfo` in bytes, under the names that Consul's users know.
fn memory() -> Value {
    let text = read("/proc/meminfo");
    let kib = |name: &str| -> u64 {
        let line = text.lines().find(|line| line.split(':').next() == Some(name));
        line.and_then(|line| line.split_whitespace().nth(1)).and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    let bytes = |name: &str| kib(name) * 1024;
    let (total, free) = (bytes("MemTotal"), bytes("MemFree"));
    let (buffers, cached) = (bytes("Buffers"), bytes("Cached") + bytes("SReclaimable"));
    let used = total.saturating_sub(free + buffers + cached);
    let mut map = Map::new();
    map.insert("total".to_owned(), json!(total));
    map.insert("available".to_owned(), json!(bytes("MemAvailable")));
    map.insert("used".to_owned(), json!(used));
    map.insert("usedPercent".to_owned(), json!(if total == 0 { 0.0 } else { used as f64 * 100.0 / total as f64 }));
    map.insert("free".to_owned(), json!(free));
    for (name, field) in [
        ("active", "Active"),
        ("inactive", "Inactive"),
        ("wired", ""),
        ("laundry", ""),
        ("buffers", "Buffers"),
        ("cached", "Cached"),
        ("writeback", "Writeback"),
        ("dirty", "Dirty"),
        ("writebacktmp", "WritebackTmp"),
        ("shared", "Shmem"),
        ("slab", "Slab"),
        ("sreclaimable", "SReclaimable"),
        ("sunreclaim", "SUnreclaim"),
        ("pagetables", "PageTables"),
        ("swapcached", "SwapCached"),
        ("commitlimit", "CommitLimit"),
        ("committedas", "Committed_AS"),
        ("hightotal", "HighTotal"),
        ("highfree", "HighFree"),
        ("lowtotal", "LowTotal"),
        ("lowfree", "LowFree"),
        ("swaptotal", "SwapTotal"),
        ("swapfree", "SwapFree"),
        ("mapped", "Mapped"),
        ("vmalloctotal", "VmallocTotal"),
        ("vmallocused", "VmallocUsed"),
        ("vmallocchunk", "VmallocChunk"),
    ] {
        map.insert(name.to_owned(), json!(bytes(field)));
    }
    map.insert("hugepagestotal".to_owned(), json!(kib("HugePages_Total")));
    map.insert("hugepagesfree".to_owned(), json!(kib("HugePages_Free")));
    map.insert("hugepagesize".to_owned(), json!(bytes("Hugepagesize")));
    Value::Object(map)
}

/// `/proc/cpuinfo`, one object a processor.
fn processors() -> Value {
    let text = read("/proc/cpuinfo");
    let blocks = text.split("\n\n").filter(|block| block.contains("processor"));
    let processor = |block: &str| {
        let field = |name: &str| {
            let line = block.lines().find(|line| line.split(':').next().map(str::trim) == Some(name));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let number = |name: &str| field(name).split(' ').next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0);
        json!({
            "cpu": number("processor") as i64,
            "vendorId": field("vendor_id"),
            "family": field("cpu family"),
            "model": field("model"),
            "stepping": number("stepping") as i64,
            "physicalId": field("physical id"),
            "coreId": field("core id"),
            "cores": 1,
            "modelName": field("model name"),
            "mhz": number("cpu MHz"),
            "cacheSize": number("cache size") as i64,
            "flags": field("flags").split_whitespace().collect::<Vec<_>>(),
            "microcode": field("microcode"),
        })
    };
    Value::Array(blocks.map(processor).collect())
}

fn host() -> Value {
    let uname = rustix::system::uname();
    let text = |value: &std::ffi::CStr| value.to_string_lossy().into_owned();
    let release = read("/etc/os-release");
    let field = |name: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(name)).and_then(|rest| rest.strip_prefix('='));
        line.unwrap_or("").trim_matches('"').to_owned()
    };
    let uptime = read("/proc/uptime").split('.').next().and_then(|seconds| seconds.parse::<u64>().ok()).unwrap_or(0);
    let boot =
        read("/proc/stat").lines().find_map(|line| line.strip_prefix("btime ").and_then(|n| n.parse::<u64>().ok())).unwrap_or(0);
    let processes = fs::read_dir("/proc")
        .map(|entries| entries.flatten().filter(|e| e.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit())).count())
        .unwrap_or(0);
    json!({
        "hostname": text(uname.nodename()),
        "uptime": uptime,
        "bootTime": boot,
        "procs": processes,
        "os": "linux",
        "platform": field("ID"),
        "platformFamily": field("ID"),
        "platformVersion": field("VERSION_ID"),
        "kernelVersion": text(uname.release()),
        "kernelArch": text(uname.machine()),
        "virtualizationSystem": "",
        "virtualizationRole": "",
        "hostid": read("/proc/sys/kernel/random/boot_id").trim(),
    })
}

fn disk(path: &str) -> Value {
    let Ok(stat) = rustix::fs::statvfs(path) else { return Value::Null };
    let (total, free, available) = (stat.f_blocks * stat.f_frsize, stat.f_bfree * stat.f_frsize, stat.f_bavail * stat.f_frsize);
    let used = total.saturating_sub(free);
    let percent = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 };
    let inodes_used = stat.f_files.saturating_sub(stat.f_ffree);
    json!({
        "path": path,
        "fstype": "",
        "total": total,
        "free": available,
        "used": used,
        "usedPercent": percent(used, used + available),
        "inodesTotal": stat.f_files,
        "inodesUsed": inodes_used,
        "inodesFree": stat.f_ffree,
        "inodesUsedPercent": percent(inodes_used, stat.f_files),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_real_figures() {
        let host = describe();
        assert!(host["Memory"]["total"].as_u64().unwrap() > 0);
        assert!(!host["CPU"].as_array().unwrap().is_empty());
        assert!(host["Disk"]["total"].as_u64().unwrap() > 0);
    }
}
