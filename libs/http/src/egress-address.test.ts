import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { assertPublicUrl, checkAddress, isPermitted, parseRanges } from './egress-address.ts';
import { EgressError } from './egress-error.ts';

const special = [
  '0.0.0.0', '0.1.2.3', '10.0.0.1', '10.255.255.255', '100.64.0.1', '100.100.100.200', '127.0.0.1', '127.255.0.9', '168.63.129.16',
  '169.254.169.254', '172.16.0.1', '172.31.255.255', '192.0.0.192', '192.0.2.1', '192.88.99.1', '192.168.1.1', '198.18.0.1',
  '198.19.255.255', '198.51.100.7', '203.0.113.9', '224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255',
  '::', '::1', '::127.0.0.1', '::ffff:10.0.0.1', '::ffff:169.254.169.254', '::ffff:0:127.0.0.1', '64:ff9b::127.0.0.1',
  '64:ff9b::a00:1', '64:ff9b:1::808:808', '100::1', '2001::1', '2001:2::1', '2001:10::1', '2001:20::1', '2001:db8::1', '2002:7f00:1::',
  '2002:808:808::1', '3fff::1', '4000::1', '5f00::1', 'fc00::1', 'fd00:ec2::254', 'fe80::1', 'fe80::1%eth0', 'fec0::1', 'ff02::1', '2a00:1450::5efe:10.0.0.1', '2a00:1450::200:5efe:8.8.8.8',
];
const open = ['1.1.1.1', '8.8.8.8', '93.184.216.34', '100.63.255.255', '100.128.0.1', '172.15.255.255', '172.32.0.1', '192.167.255.255', '2606:4700::1111', '2a00:1450::1', '::ffff:8.8.8.8', '64:ff9b::8.8.8.8'];

const octet = fc.integer({ min: 0, max: 255 });
const ipv4 = fc.tuple(octet, octet, octet, octet);

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (err) {
    if (err instanceof EgressError) return err.code;
    throw err;
  }
  return 'permitted';
}

describe('an address', () => {
  test.each(special)('%s is not public', (text) => {
    expect(checkAddress(text).special).not.toBeNull();
    expect(isPermitted(checkAddress(text), [])).toBe(false);
  });

  test.each(open)('%s is public', (text) => {
    expect(isPermitted(checkAddress(text), [])).toBe(true);
  });

  test('is judged alike as IPv4, as mapped IPv6 and behind NAT64', () => {
    fc.assert(
      fc.property(ipv4, (octets) => {
        const plain = octets.join('.');
        const verdict = isPermitted(checkAddress(plain), []);
        expect(isPermitted(checkAddress(`::ffff:${plain}`), [])).toBe(verdict);
        expect(isPermitted(checkAddress(`64:ff9b::${plain}`), [])).toBe(verdict);
      }),
      { numRuns: 1000 },
    );
  });

  test('is public as IPv6 only within 2000::/3, whatever follows', () => {
    const part = fc.integer({ min: 0, max: 0xffff });
    fc.assert(
      fc.property(fc.array(part, { minLength: 8, maxLength: 8 }), (parts) => {
        fc.pre(parts[0] !== 0 && parts[0] !== 0x64);
        if (isPermitted(checkAddress(parts.map((p) => p.toString(16)).join(':')), [])) expect((parts[0] ?? 0) >> 13).toBe(1);
      }),
      { numRuns: 1000 },
    );
  });

  test('that lies in an allowed range is permitted, and its neighbour is not', () => {
    const ranges = parseRanges(['10.20.0.0/16', ' 127.0.0.1 ', 'fd00:1::/32', '::ffff:192.168.1.0/120']);
    for (const inside of ['10.20.255.1', '127.0.0.1', '::ffff:127.0.0.1', 'fd00:1::5', '192.168.1.77']) expect(isPermitted(checkAddress(inside), ranges)).toBe(true);
    for (const outside of ['10.21.0.1', '127.0.0.2', '::1', 'fd00:2::5', '192.168.2.1', '64:ff9b::10.20.0.1']) {
      expect(isPermitted(checkAddress(outside), ranges)).toBe(false);
    }
  });
});

test.each(['10.0.0.0/33', 'localhost', '', '10.0.0.0/8/8'])('"%s" is refused as an address range', (text) => {
  expect(() => parseRanges(['127.0.0.0/8', text])).toThrow(RangeError);
});

describe('a URL', () => {
  const loopback = ['127.0.0.1', '127.1', '2130706433', '0x7f000001', '0x7f.1', '017700000001', '0177.0.0.1', '127.0.0.1.', '%3127.0.0.1', '１２７.0.0.1', 'localhost', 'LOCALHOST.', 'a.localhost', 'ⓛocalhost', '[::1]', '[0:0:0:0:0:0:0:1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '0', '[::]'];

  test.each(loopback)('that spells a local address as %s is blocked without DNS', (host) => {
    expect(refusal(() => assertPublicUrl(`http://${host}/x`))).toBe('address_blocked');
    expect(refusal(() => assertPublicUrl(`https://user:pw@${host}:8443/x`))).toBe('address_blocked');
  });

  test('that spells a special IPv4 address as one number is blocked', () => {
    fc.assert(
      fc.property(ipv4, fc.constantFrom(10, 8, 16), (octets, radix) => {
        const number = octets.reduce((sum, o) => sum * 256 + o, 0);
        const spelled = { 8: '0', 10: '', 16: '0x' }[radix as 8 | 10 | 16] + number.toString(radix);
        const verdict = isPermitted(checkAddress(octets.join('.')), []) ? 'permitted' : 'address_blocked';
        expect(refusal(() => assertPublicUrl(`http://${spelled}/`))).toBe(verdict);
      }),
      { numRuns: 500 },
    );
  });

  test.each(['ftp://example.com/', 'file:///etc/passwd', 'javascript:alert(1)', 'data:,x', 'example.com/hook', '//example.com', '', 'http://', 'http://[::1', 'http://1.2.3.4.5/', 'http://a b/', 'http://.', 'gopher://8.8.8.8'])(
    '"%s" is invalid',
    (url) => {
      expect(refusal(() => assertPublicUrl(url))).toBe('invalid_url');
    },
  );

  test.each(['https://example.com/hook?x=1', 'http://8.8.8.8:8080/', 'http://[2606:4700::1111]/', 'https://notlocalhost.example/', 'http://10.0.0.1.example.com/'])('%s passes', (url) => {
    expect(assertPublicUrl(url).href).toBe(url);
  });

  test('with an allowed local address passes, by name too, and loses the dot that ends its host', () => {
    expect(assertPublicUrl('http://127.1:9/', ['127.0.0.0/8']).host).toBe('127.0.0.1:9');
    expect(assertPublicUrl('http://localhost.:9/a', ['127.0.0.0/8']).href).toBe('http://localhost:9/a');
    expect(assertPublicUrl('http://localhost/', ['::1/128']).hostname).toBe('localhost');
    expect(refusal(() => assertPublicUrl('http://10.0.0.1/', ['127.0.0.0/8']))).toBe('address_blocked');
  });
});
