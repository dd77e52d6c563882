// Points are fractions of the picture; `ratio` is its width by its height, so that angles are those on the screen.

/** d of a path through points. */
export const pathOf = (points, close = false) =>
  points.length ? `M${points.map(([x, y]) => `${x} ${y}`).join("L")}${close && points.length > 2 ? "Z" : ""}` : "";

/** Middle of a polyline by its length on screen: {at, angle, left}: a point, the way it runs (radians), the unit vector to its left. */
export function middle(points, ratio) {
  const parts = points.slice(1).map(([x, y], i) => Math.hypot((x - points[i][0]) * ratio, y - points[i][1]));
  let rest = parts.reduce((a, b) => a + b, 0) / 2;
  let i = 0;
  while (i < parts.length - 1 && rest > parts[i]) rest -= parts[i++];
  const [[ax, ay], [bx, by]] = [points[i], points[i + 1] ?? points[i]];
  const part = parts[i] ? rest / parts[i] : 0;
  const dx = (bx - ax) * ratio;
  const dy = by - ay;
  const length = Math.hypot(dx, dy) || 1;
  // y grows downward: left of the way (1, 0) is up, (0, -1)
  return { at: [ax + (bx - ax) * part, ay + (by - ay) * part], angle: Math.atan2(dy, dx), left: [dy / length, -dx / length] };
}

/** Centre of a polygon's area; of its corners where it has none. */
export function centre(points) {
  let area = 0;
  let x = 0;
  let y = 0;
  points.forEach(([ax, ay], i) => {
    const [bx, by] = points[(i + 1) % points.length];
    const cross = ax * by - bx * ay;
    area += cross;
    x += (ax + bx) * cross;
    y += (ay + by) * cross;
  });
  if (Math.abs(area) > 1e-6) return [x / (3 * area), y / (3 * area)];
  const n = points.length || 1;
  return [points.reduce((s, p) => s + p[0], 0) / n, points.reduce((s, p) => s + p[1], 0) / n];
}

export const clamp = (value, low = 0, high = 1) => Math.min(high, Math.max(low, value));

/** A point as it is stored: four digits. */
export const tidy = ([x, y]) => [x, y].map((v) => Math.round(v * 10000) / 10000);

export const between = ([ax, ay], [bx, by]) => [(ax + bx) / 2, (ay + by) / 2];

/** Moves `point` onto the horizontal, vertical or diagonal through `from` where it is near one on screen. */
export function straighten(point, from, ratio) {
  const dx = (point[0] - from[0]) * ratio;
  const dy = point[1] - from[1];
  const step = Math.PI / 4;
  const angle = Math.round(Math.atan2(dy, dx) / step) * step;
  const along = dx * Math.cos(angle) + dy * Math.sin(angle);
  return [from[0] + (along * Math.cos(angle)) / ratio, from[1] + along * Math.sin(angle)];
}

/** The one of `others` that is within `reach` pixels of `point`, or `point`. `size`: the picture's, in pixels. */
export function snap(point, others, size, reach = 9) {
  let best = point;
  let least = reach;
  for (const other of others) {
    const far = Math.hypot((other[0] - point[0]) * size.width, (other[1] - point[1]) * size.height);
    if (far < least) [best, least] = [other, far];
  }
  return best;
}
