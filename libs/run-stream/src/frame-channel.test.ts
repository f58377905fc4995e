import { expect, test } from '@jest/globals';
import type { Frame } from '@nightshift/contracts';
import { decodeFrames, encodeFrames } from './frame-channel.ts';

const frames: Frame[] = [{ seq: 1, kind: 'started', text: '' }, { seq: 2, kind: 'text', text: 'caf\u00e9 \u2028' }];

test('frames arrive as they were sent; what another version sends is none', () => {
  expect(decodeFrames(encodeFrames(frames))).toEqual(frames);
  expect(['', 'v2:abc', '{}', '[{"seq":0}]', '[{"seq":1,"kind":"new","text":""}]'].map(decodeFrames)).toEqual([[], [], [], [], []]);
});
