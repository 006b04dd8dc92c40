;; The two products in which a network spends its time, four values at a time (WebAssembly SIMD).
;;
;; Weights are packed in blocks of 4 outputs: for each input in turn the weights of outputs 0, 1, 2 and 3 of the block.
;; All pointers are in bytes, all numbers are 32-bit floats. engine/kernel.js has the same two functions in JavaScript.
(module
  (import "engine" "memory" (memory 1))

  ;; Convolution: 8 places at once. columns holds, for each of depth inputs in turn, its value at the 8 places.
  ;; Writes 4 * blocks rows of 8 values to out, one row every stride bytes.
  (func (export "places")
    (param $weights i32) (param $bias i32) (param $columns i32) (param $out i32)
    (param $depth i32) (param $blocks i32) (param $stride i32)
    (local $column i32) (local $left i32)
    (local $one v128) (local $first v128) (local $second v128)
    (local $a0 v128) (local $a1 v128) (local $b0 v128) (local $b1 v128)
    (local $c0 v128) (local $c1 v128) (local $d0 v128) (local $d1 v128)
    (loop $block
      (local.set $a1 (local.tee $a0 (v128.load32_splat (local.get $bias))))
      (local.set $b1 (local.tee $b0 (v128.load32_splat offset=4 (local.get $bias))))
      (local.set $c1 (local.tee $c0 (v128.load32_splat offset=8 (local.get $bias))))
      (local.set $d1 (local.tee $d0 (v128.load32_splat offset=12 (local.get $bias))))
      (local.set $column (local.get $columns))
      (local.set $left (local.get $depth))
      (loop $input
        (local.set $first (v128.load (local.get $column)))
        (local.set $second (v128.load offset=16 (local.get $column)))
        (local.set $one (v128.load32_splat (local.get $weights)))
        (local.set $a0 (f32x4.add (local.get $a0) (f32x4.mul (local.get $one) (local.get $first))))
        (local.set $a1 (f32x4.add (local.get $a1) (f32x4.mul (local.get $one) (local.get $second))))
        (local.set $one (v128.load32_splat offset=4 (local.get $weights)))
        (local.set $b0 (f32x4.add (local.get $b0) (f32x4.mul (local.get $one) (local.get $first))))
        (local.set $b1 (f32x4.add (local.get $b1) (f32x4.mul (local.get $one) (local.get $second))))
        (local.set $one (v128.load32_splat offset=8 (local.get $weights)))
        (local.set $c0 (f32x4.add (local.get $c0) (f32x4.mul (local.get $one) (local.get $first))))
        (local.set $c1 (f32x4.add (local.get $c1) (f32x4.mul (local.get $one) (local.get $second))))
        (local.set $one (v128.load32_splat offset=12 (local.get $weights)))
        (local.set $d0 (f32x4.add (local.get $d0) (f32x4.mul (local.get $one) (local.get $first))))
        (local.set $d1 (f32x4.add (local.get $d1) (f32x4.mul (local.get $one) (local.get $second))))
        (local.set $weights (i32.add (local.get $weights) (i32.const 16)))
        (local.set $column (i32.add (local.get $column) (i32.const 32)))
        (br_if $input (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
      (v128.store (local.get $out) (local.get $a0))
      (v128.store offset=16 (local.get $out) (local.get $a1))
      (local.set $out (i32.add (local.get $out) (local.get $stride)))
      (v128.store (local.get $out) (local.get $b0))
      (v128.store offset=16 (local.get $out) (local.get $b1))
      (local.set $out (i32.add (local.get $out) (local.get $stride)))
      (v128.store (local.get $out) (local.get $c0))
      (v128.store offset=16 (local.get $out) (local.get $c1))
      (local.set $out (i32.add (local.get $out) (local.get $stride)))
      (v128.store (local.get $out) (local.get $d0))
      (v128.store offset=16 (local.get $out) (local.get $d1))
      (local.set $out (i32.add (local.get $out) (local.get $stride)))
      (local.set $bias (i32.add (local.get $bias) (i32.const 16)))
      (br_if $block (local.tee $blocks (i32.sub (local.get $blocks) (i32.const 1))))))

  ;; Fully connected layer: 4 * blocks outputs, each the sum of depth inputs times its weights.
  (func (export "vector")
    (param $weights i32) (param $bias i32) (param $in i32) (param $out i32) (param $depth i32) (param $blocks i32)
    (local $input i32) (local $left i32) (local $sum v128)
    (loop $block
      (local.set $sum (v128.load (local.get $bias)))
      (local.set $input (local.get $in))
      (local.set $left (local.get $depth))
      (loop $next
        (local.set $sum (f32x4.add (local.get $sum)
          (f32x4.mul (v128.load (local.get $weights)) (v128.load32_splat (local.get $input)))))
        (local.set $weights (i32.add (local.get $weights) (i32.const 16)))
        (local.set $input (i32.add (local.get $input) (i32.const 4)))
        (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
      (v128.store (local.get $out) (local.get $sum))
      (local.set $bias (i32.add (local.get $bias) (i32.const 16)))
      (local.set $out (i32.add (local.get $out) (i32.const 16)))
      (br_if $block (local.tee $blocks (i32.sub (local.get $blocks) (i32.const 1)))))))
