// Rules over a picture: shapes in the stored coordinates, words and arrows beside them.
import { el, place, say } from "./dom.js";
import { icon } from "./icons.js";
import { centre, middle, pathOf } from "./geometry.js";
import { count } from "./format.js";
import { KINDS, closed } from "./kinds.js";

/** Shape of a kind; of one that is not known, a guess by its points. */
const shapeOf = (rule) => rule.shape || KINDS[rule.kind]?.shape || (rule.points?.length > 2 ? "area" : "line");

/** All outlines of a rule: most have one. */
const outlines = (rule) => (rule.lines?.length ? rule.lines.map((line) => line.points ?? line) : rule.points?.length ? [rule.points] : []);

/**
 * Draws rules into a layer of shapes and one of labels. Returns functions that bring the numbers up to date.
 * `onRule(rule)` is called for one that is clicked.
 */
export function drawRules(picture, layer, labels, rules, lookUp, onRule) {
  const updates = [];
  layer.replaceChildren();
  labels.replaceChildren();
  for (const rule of rules) {
    const shape = shapeOf(rule);
    for (const points of outlines(rule)) {
      if (points.length < 2) continue;
      layer.append(drawShape(rule, points, closed(shape), onRule));
      const add = (node) => labels.append(node);
      if (shape === "line") lineLabels(picture, rule, points, lookUp, updates, add);
      else if (shape === "arrow") arrowLabels(picture, rule, points, add);
      else areaLabels(picture, rule, points, lookUp, updates, add);
    }
    const arrow = arrowOf(rule);
    if (arrow) {
      layer.append(drawShape({ ...rule, kind: rule.kind }, arrow, false, onRule));
      labels.append(arrowHead(picture, rule.kind, arrow));
    }
  }
  return updates;
}

/** The arrow that a wrong-way rule has beside its area. */
export const arrowOf = (rule) => rule.arrow ?? rule.options?.arrow ?? null;

function drawShape(rule, points, close, onRule) {
  const d = pathOf(points, close);
  const group = el(
    "svg:g",
    { class: `shape kind-${safe(rule.kind)}${close ? " closed" : ""}${rule.selected ? " selected" : ""}${rule.faint ? " faint" : ""}` },
    el("svg:path", { class: "casing", d }),
    el("svg:path", { class: "stroke", d }),
  );
  group._rule = rule;
  if (onRule) {
    const hit = el("svg:path", { class: "hit", d });
    hit.addEventListener("click", () => onRule(rule));
    group.append(hit);
  }
  return group;
}

/** A kind as a class name: kinds of other packages may be called anything. */
const safe = (kind) => String(kind).replace(/[^a-z-]/g, "_");

function lineLabels(picture, rule, points, lookUp, updates, add) {
  const { at, left } = middle(points, picture.ratio);
  const wanted = rule.options?.direction ?? "both";
  for (const [direction, sign] of [["in", 1], ["out", -1]]) {
    if (wanted !== "both" && wanted !== direction) continue;
    const number = el("b", { class: "number" });
    const arrow = icon("arrow");
    arrow.style.setProperty("transform", `rotate(${(Math.atan2(left[1] * sign, left[0] * sign) + Math.PI / 2).toFixed(3)}rad)`);
    const name = rule.labels?.[direction] ?? rule.options?.names?.[direction] ?? direction;
    const node = el("span", { class: `side ${direction}` }, arrow, picture.detail ? el("span", { class: "what", text: name }) : null, number);
    place(node, at, [left[0] * sign, left[1] * sign]);
    add(node);
    const update = () => say(number, count(lookUp.count(rule, direction)));
    update();
    updates.push(update);
  }
  if (picture.detail) add(nameLabel(rule, points, picture.ratio));
}

/** The name of a line or an arrow, where it begins, out of its way. */
function nameLabel(rule, [at, next], ratio) {
  const node = el("span", { class: `name kind-${safe(rule.kind)}` }, el("span", { class: "text", text: rule.name }));
  const [dx, dy] = [(at[0] - next[0]) * ratio, at[1] - next[1]];
  const length = Math.hypot(dx, dy) || 1;
  place(node, at, inside(at, [dx / length, dy / length]));
  return node;
}

const ROOM = [0.1, 0.06]; // of the picture's width and height, for a name

/** The side of a point to stand at, where it is not beyond the edge of the picture; else one along that edge. */
function inside(at, side) {
  const beyond = [0, 1].map((axis) => Math.abs(at[axis] + side[axis] * ROOM[axis] - 0.5) > 0.5);
  const inward = (axis) => (at[axis] < 0.5 ? 1 : -1);
  if (beyond[1]) return [inward(0), 0];
  return beyond[0] ? [0, inward(1)] : side;
}

function areaLabels(picture, rule, points, lookUp, updates, add) {
  const number = el("b", { class: "number" });
  const [x, y] = centre(points);
  const node = el("span", { class: `place kind-${safe(rule.kind)}` }, picture.detail ? el("span", { class: "what", text: rule.name }) : null, number);
  place(node, rule.kind === "wrong-way" ? points[0] : [x, y]);
  const update = () => {
    const value = lookUp.occupancy(rule);
    say(number, value === null ? "" : count(value));
    node.toggleAttribute("hidden", !picture.detail && value === null);
  };
  update();
  updates.push(update);
  add(node);
}

function arrowLabels(picture, rule, points, add) {
  add(arrowHead(picture, rule.kind, points));
  if (picture.detail) add(nameLabel(rule, points, picture.ratio));
}

/** The head of an arrow, turned the way it points on screen. */
export function arrowHead(picture, kind, points) {
  const [[ax, ay], [bx, by]] = points.slice(-2);
  const angle = Math.atan2(by - ay, (bx - ax) * picture.ratio) + Math.PI / 2;
  const node = el("span", { class: `head kind-${safe(kind)}` }, icon("arrow"));
  node.firstChild.style.setProperty("transform", `rotate(${angle.toFixed(3)}rad)`);
  place(node, [bx, by]);
  return node;
}
