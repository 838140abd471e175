// A product that hone made for WebAssembly, C[64, 48] = A[64, 32] B[32, 48], in Node and in a page: runs what
// `load` of its module gave, and counts the elements that are wrong.
export function wrong(f, runs) {
  const { A, B } = f.args;
  for (let k = 0; k < A.length; k++) A[k] = (k % 7) - 3;
  for (let k = 0; k < B.length; k++) B[k] = (k % 5) - 2;
  const a = A.slice(), b = B.slice();
  f.args.C.fill(-1);
  for (let k = 0; k < runs; k++) f.run();
  const { C } = f.args; // anew: its memory may have grown
  let n = 0;
  for (let i = 0; i < 64; i++)
    for (let j = 0; j < 48; j++) {
      let sum = 0;
      for (let k = 0; k < 32; k++) sum += a[i * 32 + k] * b[k * 48 + j];
      if (C[i * 48 + j] !== sum) n++;
    }
  return n;
}
