; What a module has beside its kernel: runtime/hone_rt.h's hone_rt_api for one thread, in linear memory
; that only the module and whoever loads it know. Scratch memory is taken from the end of it, by pages.

@hone_rt = constant { i32, i32, ptr, i32, ptr, i32 } {
  i32 1, i32 1, ptr @hone_rt__parallel, i32 0, ptr @hone_rt__scratch, i32 0 }, align 8

@hone_rt__slots = internal global [4 x { ptr, i64 }] zeroinitializer, align 8

declare i32 @llvm.wasm.memory.grow.i32(i32, i32)

define internal i32 @hone_rt__parallel(ptr %rt, i64 %n, ptr %task, ptr %closure) nounwind {
  %some = icmp sgt i64 %n, 0
  br i1 %some, label %all, label %none
all:
  %rc = call i32 %task(ptr %closure, i64 0, i64 %n)
  ret i32 %rc
none:
  ret i32 0
}

; A slot only grows: a kernel asks for the same bytes in each call.
define internal ptr @hone_rt__scratch(ptr %rt, i32 %slot, i64 %bytes) nounwind {
  %known = icmp ult i32 %slot, 4
  %few = icmp ult i64 %bytes, 4294901760
  %good = and i1 %known, %few
  br i1 %good, label %look, label %no
look:
  %at = getelementptr [4 x { ptr, i64 }], ptr @hone_rt__slots, i32 0, i32 %slot
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
