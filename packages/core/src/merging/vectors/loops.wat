;; The loops of a merge over float32 values, in vectors of 128 bits. Each does what a loop in TypeScript does that stands
;; beside its call: values are widened to float64, see the same operations in the same order, and are rounded once when
;; they are stored. There is no fused multiplication, so the bits are the same.
;;
;; Addresses and lengths are the caller's to check. Lengths are in bytes of float32 values, and multiples of 32.
(module
  (memory (import "merge" "memory") 1)

  ;; The first and the last two of four float32 values as float64.
  (func $low (param $four v128) (result v128)
    (f64x2.promote_low_f32x4 (local.get $four)))
  (func $high (param $four v128) (result v128)
    (f64x2.promote_low_f32x4
      (i8x16.shuffle 8 9 10 11 12 13 14 15 8 9 10 11 12 13 14 15 (local.get $four) (local.get $four))))

  ;; Four float64 values as float32.
  (func $narrow (param $low v128) (param $high v128) (result v128)
    (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23
      (f32x4.demote_f64x2_zero (local.get $low))
      (f32x4.demote_f64x2_zero (local.get $high))))

  ;; All bits set where a float32 value is NaN or infinite: its exponent is all ones.
  (func $odd (param $four v128) (result v128)
    (i32x4.eq
      (v128.and (local.get $four) (v128.const i32x4 0x7f800000 0x7f800000 0x7f800000 0x7f800000))
      (v128.const i32x4 0x7f800000 0x7f800000 0x7f800000 0x7f800000)))

  ;; v = factor * momentum + gradient
  (func $velocity (param $momentum v128) (param $gradient v128) (param $factor v128) (result v128)
    (f64x2.add (f64x2.mul (local.get $factor) (local.get $momentum)) (local.get $gradient)))

  ;; theta - rate * (gradient + factor * v)
  (func $moved (param $theta v128) (param $gradient v128) (param $velocity v128) (param $rate v128) (param $factor v128)
    (result v128)
    (f64x2.sub (local.get $theta)
      (f64x2.mul (local.get $rate)
        (f64x2.add (local.get $gradient) (f64x2.mul (local.get $factor) (local.get $velocity))))))

  ;; One outer step of so many values; 0 when every result is finite.
  (func (export "outerStep")
    (param $theta i32) (param $gradient i32) (param $momentum i32) (param $newTheta i32) (param $newMomentum i32)
    (param $bytes i32) (param $rate f64) (param $factor f64) (result i32)
    (local $at i32) (local $rates v128) (local $factors v128) (local $odd v128)
    (local $t v128) (local $g v128) (local $m v128) (local $lowVelocity v128) (local $highVelocity v128)
    (local.set $rates (f64x2.splat (local.get $rate)))
    (local.set $factors (f64x2.splat (local.get $factor)))
    (block $end (loop $next
      (br_if $end (i32.ge_u (local.get $at) (local.get $bytes)))
      (local.set $t (v128.load (i32.add (local.get $theta) (local.get $at))))
      (local.set $g (v128.load (i32.add (local.get $gradient) (local.get $at))))
      (local.set $m (v128.load (i32.add (local.get $momentum) (local.get $at))))
      (local.set $lowVelocity
        (call $velocity (call $low (local.get $m)) (call $low (local.get $g)) (local.get $factors)))
      (local.set $highVelocity
        (call $velocity (call $high (local.get $m)) (call $high (local.get $g)) (local.get $factors)))
      (local.set $m (call $narrow (local.get $lowVelocity) (local.get $highVelocity)))
      (local.set $t (call $narrow
        (call $moved (call $low (local.get $t)) (call $low (local.get $g))
          (local.get $lowVelocity) (local.get $rates) (local.get $factors))
        (call $moved (call $high (local.get $t)) (call $high (local.get $g))
          (local.get $highVelocity) (local.get $rates) (local.get $factors))))
      (v128.store (i32.add (local.get $newMomentum) (local.get $at)) (local.get $m))
      (v128.store (i32.add (local.get $newTheta) (local.get $at)) (local.get $t))
      (local.set $odd (v128.or (local.get $odd) (v128.or (call $odd (local.get $m)) (call $odd (local.get $t)))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br $next)))
    (v128.any_true (local.get $odd)))

  ;; The weighted mean of several arrays. From $parts on, each has 16 bytes: its address, 4 bytes unused, its weight.
  (func (export "average")
    (param $parts i32) (param $partsEnd i32) (param $into i32) (param $bytes i32) (param $total f64)
    (local $at i32) (local $part i32) (local $from i32) (local $weight v128) (local $totals v128)
    (local $x v128) (local $y v128) (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local.set $totals (f64x2.splat (local.get $total)))
    (block $end (loop $next
      (br_if $end (i32.ge_u (local.get $at) (local.get $bytes)))
      (local.set $a (v128.const f64x2 0 0))
      (local.set $b (v128.const f64x2 0 0))
      (local.set $c (v128.const f64x2 0 0))
      (local.set $d (v128.const f64x2 0 0))
      (local.set $part (local.get $parts))
      (loop $nextPart
        (local.set $from (i32.add (i32.load (local.get $part)) (local.get $at)))
        (local.set $weight (v128.load64_splat offset=8 (local.get $part)))
        (local.set $x (v128.load (local.get $from)))
        (local.set $y (v128.load offset=16 (local.get $from)))
        (local.set $a (f64x2.add (local.get $a) (f64x2.mul (local.get $weight) (call $low (local.get $x)))))
        (local.set $b (f64x2.add (local.get $b) (f64x2.mul (local.get $weight) (call $high (local.get $x)))))
        (local.set $c (f64x2.add (local.get $c) (f64x2.mul (local.get $weight) (call $low (local.get $y)))))
        (local.set $d (f64x2.add (local.get $d) (f64x2.mul (local.get $weight) (call $high (local.get $y)))))
        (local.set $part (i32.add (local.get $part) (i32.const 16)))
        (br_if $nextPart (i32.lt_u (local.get $part) (local.get $partsEnd))))
      (local.set $from (i32.add (local.get $into) (local.get $at)))
      (v128.store (local.get $from) (call $narrow
        (f64x2.div (local.get $a) (local.get $totals)) (f64x2.div (local.get $b) (local.get $totals))))
      (v128.store offset=16 (local.get $from) (call $narrow
        (f64x2.div (local.get $c) (local.get $totals)) (f64x2.div (local.get $d) (local.get $totals))))
      (local.set $at (i32.add (local.get $at) (i32.const 32)))
      (br $next))))

  ;; Adds the squares of values to four float64 sums at $sums, of which value n belongs to sum n modulo 4.
  (func (export "addSquares") (param $values i32) (param $bytes i32) (param $sums i32)
    (local $at i32) (local $x v128) (local $a v128) (local $b v128)
    (local.set $a (v128.load (local.get $sums)))
    (local.set $b (v128.load offset=16 (local.get $sums)))
    (block $end (loop $next
      (br_if $end (i32.ge_u (local.get $at) (local.get $bytes)))
      (local.set $x (v128.load (i32.add (local.get $values) (local.get $at))))
      (local.set $a (f64x2.add (local.get $a) (f64x2.mul (call $low (local.get $x)) (call $low (local.get $x)))))
      (local.set $b (f64x2.add (local.get $b) (f64x2.mul (call $high (local.get $x)) (call $high (local.get $x)))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br $next)))
    (v128.store (local.get $sums) (local.get $a))
    (v128.store offset=16 (local.get $sums) (local.get $b))))
