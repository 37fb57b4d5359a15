/**
 * Eigenvalues and eigenvectors of a small symmetric matrix.
 *
 * Pure. The cyclic rotations of C. G. J. Jacobi, 1846, as in G. H. Golub and C. F. Van Loan, "Matrix Computations",
 * 4th edition, section 8.5: slow for large matrices, accurate for those of a machine's signals.
 *
 * @module
 */

/** Rounds over all pairs; a matrix of 64 rows takes about ten. */
const ROUNDS_MAX = 50;
/** Sum of the squares off the diagonal, as a part of all, that is none. */
const OFF_DIAGONAL_MAX = 1e-24;

export interface Eigen {
  readonly value: number;
  /** Of length 1. */
  readonly vector: Float64Array;
}

/** Pairs of the symmetric `size` by `size` matrix, given row by row; the largest eigenvalue first. */
export function symmetricEigen(matrix: Float64Array, size: number): Eigen[] {
  const a = matrix.slice();
  const vectors = new Float64Array(size * size);
  for (let i = 0; i < size; i++) vectors[i * size + i] = 1;
  for (let round = 0; round < ROUNDS_MAX && !isDiagonal(a, size); round++) {
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) rotate({ a, vectors, size }, p, q);
    }
  }
  return Array.from({ length: size }, (_, column) => ({
    value: a[column * size + column]!,
    vector: Float64Array.from({ length: size }, (_, row) => vectors[row * size + column]!),
  })).sort((one, other) => other.value - one.value);
}

function isDiagonal(a: Float64Array, size: number): boolean {
  let all = 0;
  let off = 0;
  for (let i = 0; i < a.length; i++) {
    const square = a[i]! ** 2;
    all += square;
    if (i % (size + 1) !== 0) off += square;
  }
  return off <= all * OFF_DIAGONAL_MAX;
}

/** Turns the plane of two axes so that nothing is left between them. */
function rotate(
  { a, vectors, size }: { a: Float64Array; vectors: Float64Array; size: number },
  p: number,
  q: number,
): void {
  const between = a[p * size + q]!;
  if (between === 0) return;
  const theta = (a[q * size + q]! - a[p * size + p]!) / (2 * between);
  const tangent = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
  const cosine = 1 / Math.hypot(tangent, 1);
  const sine = tangent * cosine;
  for (let k = 0; k < size; k++) turn(a, { p: k * size + p, q: k * size + q, cosine, sine });
  for (let k = 0; k < size; k++) turn(a, { p: p * size + k, q: q * size + k, cosine, sine });
  for (let k = 0; k < size; k++) turn(vectors, { p: k * size + p, q: k * size + q, cosine, sine });
}

function turn(
  of: Float64Array,
  { p, q, cosine, sine }: { p: number; q: number; cosine: number; sine: number },
): void {
  const x = of[p]!;
  const y = of[q]!;
  of[p] = cosine * x - sine * y;
  of[q] = sine * x + cosine * y;
}
