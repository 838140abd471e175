; What a module has beside its kernel where threads share its memory: runtime/hone_rt.h's hone_rt_api.
; Whoever loads it makes an instance for each thread, with a stack of its own, and lets all but the
; caller's do hone_rt_work. A loop is cut into pieces, which threads take by counting @hone_rt__next;
; between loops that is out of reach, and a loop is over when all pieces are done and nobody is looking
; for one (@hone_rt__active): so nobody mixes up two loops.

@hone_rt = global { i32, i32, ptr, i32, ptr, i32 } {
  i32 1, i32 1, ptr @hone_rt__parallel, i32 0, ptr @hone_rt__scratch, i32 0 }, align 8

; Number of the loop; threads that sleep; that are there; not 0: they are to return; one of them has
; trapped; the caller may sleep. The last three are the loader's.
@hone_rt_crew = global [6 x i32] zeroinitializer, align 64

@hone_rt__next = internal global i64 1099511627776, align 64
@hone_rt__active = internal global i32 0, align 64
@hone_rt__left = internal global i32 0, align 4
@hone_rt__rc = internal global i32 0, align 4
@hone_rt__busy = internal global i32 0, align 4
@hone_rt__never = internal global i32 0, align 4
@hone_rt__n = internal global i64 0, align 8
@hone_rt__pieces = internal global i64 0, align 8
@hone_rt__task = internal global ptr null, align 4
@hone_rt__closure = internal global ptr null, align 4
@hone_rt__slots = internal global [256 x { ptr, i64 }] zeroinitializer, align 8
@hone_rt__self = internal addrspace(1) global i32 undef ; of this instance; 0: the caller's

declare i32 @llvm.wasm.memory.grow.i32(i32, i32)
declare i32 @llvm.wasm.memory.atomic.wait32(ptr, i32, i64)
declare i32 @llvm.wasm.memory.atomic.notify(ptr, i32)
declare void @llvm.trap()

; Pieces of the loop at hand, as long as there are some.
define internal void @hone_rt__take() nounwind noinline {
entry:
  %in = atomicrmw add ptr @hone_rt__active, i32 1 seq_cst
  br label %next
next:
  %c = atomicrmw add ptr @hone_rt__next, i64 1 seq_cst
  %open = icmp slt i64 %c, 1099511627776
  br i1 %open, label %look, label %out
look:
  %pieces = load i64, ptr @hone_rt__pieces, align 8
  %some = icmp slt i64 %c, %pieces
  br i1 %some, label %cut, label %out
cut:
  %n = load i64, ptr @hone_rt__n, align 8
  %size = sdiv i64 %n, %pieces
  %larger = srem i64 %n, %pieces
  %first = icmp slt i64 %c, %larger
  %before = select i1 %first, i64 %c, i64 %larger
  %whole = mul i64 %c, %size
  %begin = add i64 %whole, %before
  %one = zext i1 %first to i64
  %more = add i64 %size, %one
  %end = add i64 %begin, %more
  %bad = load atomic i32, ptr @hone_rt__rc seq_cst, align 4
  %good = icmp eq i32 %bad, 0
  br i1 %good, label %do, label %done
do:
  %task = load ptr, ptr @hone_rt__task, align 4
  %closure = load ptr, ptr @hone_rt__closure, align 4
  %rc = call i32 %task(ptr %closure, i64 %begin, i64 %end)
  %failed = icmp ne i32 %rc, 0
  br i1 %failed, label %keep, label %done
keep:
  %kept = cmpxchg ptr @hone_rt__rc, i32 0, i32 %rc seq_cst seq_cst
  br label %done
done:
  %left = atomicrmw sub ptr @hone_rt__left, i32 1 seq_cst
  br label %next
out:
  %gone = atomicrmw sub ptr @hone_rt__active, i32 1 seq_cst
  ret void
}

; The caller waits until the number is 0: awake for a while, then with short sleeps if it may.
define internal void @hone_rt__until_none(ptr %p) nounwind noinline {
entry:
  br label %look
look:
  %k = phi i32 [ 0, %entry ], [ %k1, %again ]
  %x = load atomic i32, ptr %p seq_cst, align 4
  %none = icmp eq i32 %x, 0
  br i1 %none, label %done, label %ask
ask:
  %dead = load atomic i32, ptr getelementptr (i8, ptr @hone_rt_crew, i32 16) seq_cst, align 4
  %lost = icmp ne i32 %dead, 0
  br i1 %lost, label %trap, label %wait
trap:
  call void @llvm.trap()
  unreachable
wait:
  %k1 = add i32 %k, 1
  %late = icmp ugt i32 %k1, 20000
  %may = load atomic i32, ptr getelementptr (i8, ptr @hone_rt_crew, i32 20) seq_cst, align 4
  %can = icmp ne i32 %may, 0
  %sleeps = and i1 %late, %can
  br i1 %sleeps, label %sleep, label %again
sleep:
  %woken = call i32 @llvm.wasm.memory.atomic.wait32(ptr @hone_rt__never, i32 0, i64 50000)
  br label %again
again:
  br label %look
done:
  ret void
}

; What a thread of the crew does until it is to return.
define void @hone_rt_work(i32 %id) nounwind {
entry:
  store i32 %id, ptr addrspace(1) @hone_rt__self
  %before = atomicrmw add ptr getelementptr (i8, ptr @hone_rt_crew, i32 8), i32 1 seq_cst
  %heard = call i32 @llvm.wasm.memory.atomic.notify(ptr getelementptr (i8, ptr @hone_rt_crew, i32 8), i32 1)
  br label %loop
loop:
  %seen = load atomic i32, ptr @hone_rt_crew seq_cst, align 4
  %go = load atomic i32, ptr getelementptr (i8, ptr @hone_rt_crew, i32 12) seq_cst, align 4
  %over = icmp ne i32 %go, 0
  br i1 %over, label %end, label %help
help:
  call void @hone_rt__take()
  br label %spin
spin:
  %k = phi i32 [ 0, %help ], [ %k1, %wait ]
  %now = load atomic i32, ptr @hone_rt_crew seq_cst, align 4
  %new = icmp ne i32 %now, %seen
  br i1 %new, label %loop, label %wait
wait:
  %k1 = add i32 %k, 1
  %awake = icmp ult i32 %k1, 20000
  br i1 %awake, label %spin, label %sleep
sleep:
  %s0 = atomicrmw add ptr getelementptr (i8, ptr @hone_rt_crew, i32 4), i32 1 seq_cst
  %woken = call i32 @llvm.wasm.memory.atomic.wait32(ptr @hone_rt_crew, i32 %seen, i64 -1)
  %s1 = atomicrmw sub ptr getelementptr (i8, ptr @hone_rt_crew, i32 4), i32 1 seq_cst
  br label %loop
end:
  ret void
}

; From inside a task it runs on the thread that asks.
define internal i32 @hone_rt__parallel(ptr %rt, i64 %n, ptr %task, ptr %closure) nounwind noinline {
entry:
  %some = icmp sgt i64 %n, 0
  br i1 %some, label %count, label %none
none:
  ret i32 0
count:
  %threads = load i32, ptr getelementptr (i8, ptr @hone_rt, i32 4), align 4
  %crew = icmp sgt i32 %threads, 1
  %several = icmp sgt i64 %n, 1
  %shared = and i1 %crew, %several
  br i1 %shared, label %try, label %alone
try:
  %swap = cmpxchg ptr @hone_rt__busy, i32 0, i32 1 seq_cst seq_cst
  %mine = extractvalue { i32, i1 } %swap, 1
  br i1 %mine, label %start, label %alone
alone:
  %all = call i32 %task(ptr %closure, i64 0, i64 %n)
  ret i32 %all
start:
  %four = shl i32 %threads, 2
  %wide = sext i32 %four to i64
  %few = icmp slt i64 %n, %wide
  %pieces = select i1 %few, i64 %n, i64 %wide
  %left = trunc i64 %pieces to i32
  store i64 %n, ptr @hone_rt__n, align 8
  store i64 %pieces, ptr @hone_rt__pieces, align 8
  store ptr %task, ptr @hone_rt__task, align 4
  store ptr %closure, ptr @hone_rt__closure, align 4
  store atomic i32 0, ptr @hone_rt__rc seq_cst, align 4
  store atomic i32 %left, ptr @hone_rt__left seq_cst, align 4
  store atomic i64 0, ptr @hone_rt__next seq_cst, align 8
  %number = atomicrmw add ptr @hone_rt_crew, i32 1 seq_cst
  %sleepers = load atomic i32, ptr getelementptr (i8, ptr @hone_rt_crew, i32 4) seq_cst, align 4
  %asleep = icmp ne i32 %sleepers, 0
  br i1 %asleep, label %wake, label %work
wake:
  %woken = call i32 @llvm.wasm.memory.atomic.notify(ptr @hone_rt_crew, i32 %sleepers)
  br label %work
work:
  call void @hone_rt__take()
  call void @hone_rt__until_none(ptr @hone_rt__left)
  store atomic i64 1099511627776, ptr @hone_rt__next seq_cst, align 8
  call void @hone_rt__until_none(ptr @hone_rt__active)
  %rc = load atomic i32, ptr @hone_rt__rc seq_cst, align 4
  store atomic i32 0, ptr @hone_rt__busy seq_cst, align 4
  ret i32 %rc
}

; Slots are those of the thread, and only grow: a kernel asks for the same bytes in each call.
define internal ptr @hone_rt__scratch(ptr %rt, i32 %slot, i64 %bytes) nounwind {
  %known = icmp ult i32 %slot, 4
  %few = icmp ult i64 %bytes, 4294901760
  %good = and i1 %known, %few
  br i1 %good, label %look, label %no
look:
  %self = load i32, ptr addrspace(1) @hone_rt__self
  %base = shl i32 %self, 2
  %number = add i32 %base, %slot
  %at = getelementptr [256 x { ptr, i64 }], ptr @hone_rt__slots, i32 0, i32 %number
  %size = getelementptr { ptr, i64 }, ptr %at, i32 0, i32 1
  %p = load ptr, ptr %at, align 8
  %has = load i64, ptr %size, align 8
  %made = icmp ne ptr %p, null
  %enough = icmp uge i64 %has, %bytes
  %ready = and i1 %made, %enough
  br i1 %ready, label %old, label %grow
old:
  ret ptr %p
grow:
  %up = add i64 %bytes, 65535
  %pages = lshr i64 %up, 16
  %none = icmp eq i64 %pages, 0
  %least = select i1 %none, i64 1, i64 %pages
  %count = trunc i64 %least to i32
  %first = call i32 @llvm.wasm.memory.grow.i32(i32 0, i32 %count)
  %failed = icmp eq i32 %first, -1
  br i1 %failed, label %no, label %new
new:
  %address = shl i32 %first, 16
  %q = inttoptr i32 %address to ptr
  %got = shl i64 %least, 16
  store ptr %q, ptr %at, align 8
  store i64 %got, ptr %size, align 8
  ret ptr %q
no:
  ret ptr null
}
