"""What is in a farm's log, for tests/e2e/test_ten_hosts.sh.

    ten_hosts.py results FILE DEVICE          how many units it has settled
    ten_hosts.py is DEVICES DEVICE K=V|V...   exit code 0: `hone devices --json` says so of it
    ten_hosts.py table FILE DEVICES SAID      what each host gave, and what the farm made of it; exit
                                              code 1: something false counts
"""
import collections
import json
import sqlite3
import sys

MADE_UP_NS = 7  # tests/e2e/lying_device.c
HOSTS = ["plain1", "plain2", "cut", "killed", "jump", "time", "output", "fence", "fast"]
# What it may do in the end: no true device may be shut out for its results.
ODD = {"time", "output"}


def items(q, kind):
    return [json.loads(b) for b, in q.execute("SELECT body FROM item WHERE kind = ?", (kind,))]


def devices(path):
    with open(path) as f:
        return {d["name"]: d for d in json.load(f)["devices"]}


def holds(d, condition):
    key, values = condition.split("=")
    return str(d.get(key)) in values.split("|")


def bests(q):
    """Of each kernel, the device of its fastest result, and of the winner of its sessions."""
    ret = collections.Counter()
    for w, in q.execute("SELECT DISTINCT workload_id FROM record WHERE status = 'OK'").fetchall():
        device, = q.execute("SELECT device FROM record WHERE workload_id = ? AND status = 'OK'"
                            " ORDER BY iif(compare_ns, compare_ns, time_ns) LIMIT 1", (w,)).fetchone()
        ret[device] += 1
    return ret


def table(path, now, said):
    now = devices(now)
    q = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    with open(said) as f:
        lies = {j["lie"]: j for j in map(json.loads, f)}
    results = collections.defaultdict(list)
    for r in items(q, "result"):
        results[r["worker"]].append(r)
    strikes = collections.Counter(s["worker"] for s in items(q, "strike"))
    links = collections.Counter()
    health = collections.defaultdict(list)
    for e in (json.loads(b) for b, in q.execute("SELECT body FROM event ORDER BY seq")):
        name = e["object"].removeprefix("worker ")
        if e["verb"] == "link" and e["to"] == "offline":
            links[name] += 1
        if e["verb"] == "health":
            health[name].append(f'{e["to"]} ({e["reason"]})')
    best = bests(q)
    line = "{:8} {:>5} {:>8} {:>7} {:>7} {:>5} {:>9} {:>6} {:>5} {:>5}  {}"
    print(line.format("host", "gave", "rejected", "suspect", "strikes", "lies", "sent away", "losses",
                      "score", "bests", "its health"))
    for h in HOSTS:
        if h not in now:
            continue
        liar = lies.get(h, {})
        print(line.format(h, len(results[h]), sum(r["status"] != "OK" for r in results[h]),
                          sum(bool(r["suspect"]) for r in results[h]), strikes[h],
                          liar.get("lies", 0) + liar.get("for_others", 0), liar.get("sent_away", 0),
                          links[h], now[h]["score"], best[h], ", ".join(health[h])))
    bad = []
    said_wrong = [d for d, in q.execute("SELECT device FROM record WHERE reason LIKE '%a lie%'")]
    if q.execute("SELECT count(*) FROM record WHERE time_ns <= ?", (MADE_UP_NS,)).fetchone()[0]:
        bad.append("a time that was made up is in the log")
    if q.execute("SELECT count(*) FROM sample WHERE candidate_ns <= ?", (MADE_UP_NS,)).fetchone()[0]:
        bad.append("a sample that was made up is in the log")
    if set(said_wrong) - {"output"}:
        bad.append("a lie of one device is another's")
    not_doubted = [r for r in results["output"] if r["status"] != "OK" and not r["suspect"]]
    if "output" in lies and not_doubted:
        bad.append(f"{len(not_doubted)} lies of 'output' are not marked suspect")
    for h in HOSTS:
        if h in now and h not in ODD and any("golden" in x for x in health[h]):
            bad.append(f"{h} is said to compute wrong")
    for name, n in sorted(best.items()):
        if name not in HOSTS:
            bad.append(f"{name} has {n} bests and is no device")
    print(f"{len(said_wrong)} candidates are said to be wrong by a device whose own kernels were wrong then")
    if "fast" in lies:
        print(f'a device that halves its times, of which nobody can know: {best["fast"]} of'
              f" {sum(best.values())} bests are its")
    for b in bad:
        print("FAILED:", b)
    return bool(bad)


def main(argv):
    if argv[1] == "results":
        q = sqlite3.connect(f"file:{argv[2]}?mode=ro", uri=True)
        print(sum(r["worker"] == argv[3] for r in items(q, "result")))
        return 0
    if argv[1] == "is":
        d = devices(argv[2]).get(argv[3])
        return 0 if d and all(holds(d, c) for c in argv[4:]) else 1
    return table(*argv[2:5])


if __name__ == "__main__":
    sys.exit(main(sys.argv))
