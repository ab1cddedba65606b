// The issuer sends everybody back to the first page. Where they were headed waits in their tab meanwhile, which no address
// from outside can write to.
const KEPT = "groundwatch-target";

export default function ({ data }) {
  const here = location.pathname + location.search;
  if (!data.signed_in) {
    if (here !== "/") sessionStorage.setItem(KEPT, here);
    return;
  }
  const target = sessionStorage.getItem(KEPT);
  sessionStorage.removeItem(KEPT);
  if (target && target !== here) location.replace(target);
}
